"""The real servers as `infra.local` runs them: they answer, restart with their data, and go."""

from confluent_kafka import Consumer, Producer

from infra import topics
from tests.servers.conftest import PARTITIONS, REGION, RunningKafka


def test_kafka_keeps_records_over_a_restart(fresh_kafka: RunningKafka) -> None:
    producer = Producer({"bootstrap.servers": fresh_kafka.bootstrap})
    producer.produce("user-events", key="u1", value=b"before")
    assert producer.flush(30) == 0

    fresh_kafka.stop()
    fresh_kafka.start()

    consumer = Consumer(
        {
            "bootstrap.servers": fresh_kafka.bootstrap,
            "group.id": "restart",
            "auto.offset.reset": "earliest",
        }
    )
    consumer.subscribe(["user-events"])
    message = consumer.poll(60)
    assert message is not None
    assert message.value() == b"before"
    consumer.close()


def test_declared_topics_are_created_once_and_match(fresh_kafka: RunningKafka) -> None:
    assert topics.check(fresh_kafka.bootstrap, PARTITIONS, REGION) == []
    assert topics.create(fresh_kafka.bootstrap, PARTITIONS, REGION) == ()
