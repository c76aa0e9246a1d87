"""The newest records of a topic are read backwards on a real broker, all partitions together."""

import pytest
from confluent_kafka import Message, Producer

from infra.broker import BrokerError
from infra.tails import look_back
from schemas.topics import USER_EVENTS
from streams.settings import Settings
from tests.servers.conftest import PARTITIONS, RunningKafka

MANY, FEW = 8_000, 10
WANTED = 5_000


def settings(kafka: RunningKafka) -> Settings:
    return Settings(kafka=kafka.bootstrap, partitions=PARTITIONS)


def write(bootstrap: str, partition: int, count: int) -> None:
    """In transactions, whose marks lie between the records and are none."""
    producer = Producer({"bootstrap.servers": bootstrap, "transactional.id": f"tails-{partition}"})
    producer.init_transactions(60)
    for begin in range(0, count, 100):
        producer.begin_transaction()
        for number in range(begin, min(begin + 100, count)):
            producer.produce(USER_EVENTS.name, b"%d" % number, partition=partition)
        producer.commit_transaction(60)


def test_steps_go_back_until_it_is_enough(fresh_kafka: RunningKafka) -> None:
    write(fresh_kafka.bootstrap, 0, MANY)
    write(fresh_kafka.bootstrap, 1, FEW)
    read: dict[int, list[list[int]]] = {}

    def is_enough(partition: int, step: list[Message]) -> bool:
        numbers = [int(message.value() or b"") for message in step]
        read.setdefault(partition, []).append(numbers)
        return WANTED in numbers

    look_back(settings(fresh_kafka), USER_EVENTS.name, is_enough)
    assert sorted(read) == [0, 1], "an empty partition has no step"
    assert read[1] == [list(range(FEW))]
    together = [number for step in reversed(read[0]) for number in step]
    assert together == list(range(together[0], MANY)), "in order, none twice, none left out"
    assert 0 < together[0] <= WANTED, "no further than was wanted"
    assert len(read[0]) > 1


def test_a_topic_that_is_not_there_is_told(fresh_kafka: RunningKafka) -> None:
    with pytest.raises(BrokerError, match="topic nothing does not exist"):
        look_back(settings(fresh_kafka), "nothing", lambda _partition, _step: True)
