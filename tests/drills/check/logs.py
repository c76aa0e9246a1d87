"""Topics as a plain read_committed consumer sees them, with nothing of the engine's clients."""

import time
from collections.abc import Iterator

from confluent_kafka import (
    Consumer,
    IsolationLevel,
    KafkaError,
    KafkaException,
    Message,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, OffsetSpec

ANSWER_S = 60.0
_STALL_S = 120.0
_RENEW_S = 10.0
"""A consumer to which nothing comes for so long, not even an end, may never get over the death of a
broker; another one does.
"""
_CHUNK = 5_000


class Logs:
    """One consumer, for one log after the other."""

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self._consumer = _consumer(bootstrap)

    def records(self, topic: str, partition: int, begin: int | None = None) -> Iterator[Message]:
        """What is committed in a partition, up to its end as it is reached once."""
        if begin is None:
            asked = TopicPartition(topic, partition)
            begin, _ = self._consumer.get_watermark_offsets(asked, timeout=ANSWER_S)
        self._consumer.assign([TopicPartition(topic, partition, begin)])
        came = renewed = time.monotonic()
        while True:
            first = self._consumer.poll(1.0)
            if first is None:
                now = time.monotonic()
                if now - came > _STALL_S:
                    raise TimeoutError(f"nothing came of {topic}-{partition} for {_STALL_S:.0f} s")
                if now - renewed > _RENEW_S:
                    self._consumer.close()
                    self._consumer = _consumer(self._bootstrap)
                    self._consumer.assign([TopicPartition(topic, partition, begin)])
                    renewed = now
                continue
            came = renewed = time.monotonic()
            for message in (first, *self._consumer.consume(_CHUNK, timeout=0)):
                error = message.error()
                if error is None:
                    begin = message.offset() + 1
                    yield message
                elif error.code() == KafkaError._PARTITION_EOF:
                    return
                elif not error.retriable() and error.code() not in _PASSING:
                    raise KafkaException(error)

    def close(self) -> None:
        self._consumer.close()


def _consumer(bootstrap: str) -> Consumer:
    return Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "drill-checker",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
            "fetch.wait.max.ms": 50,
            "fetch.message.max.bytes": 64 * 1024 * 1024,
            "receive.message.max.bytes": 128 * 1024 * 1024,
            "queued.max.messages.kbytes": 32_768,
            "log_level": 2,
        }
    )


_PASSING = (
    KafkaError._TRANSPORT,
    KafkaError._ALL_BROKERS_DOWN,
    KafkaError._TIMED_OUT,
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.LEADER_NOT_AVAILABLE,
)


def administrator(bootstrap: str) -> AdminClient:
    """Make one for each question: librdkafka's goes on asking for ends with the leader epoch it
    knew first, and a broker that was killed and came back refuses that for ever.
    """
    return AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})


def topic_ids(admin: AdminClient, *topics: str) -> dict[str, str]:
    """Name -> Kafka's UUID of the topic."""
    asked = admin.describe_topics(TopicCollection(list(topics)), request_timeout=ANSWER_S)
    return {name: str(answer.result().topic_id) for name, answer in asked.items()}


def ends(
    admin: AdminClient,
    topic: str,
    partitions: int,
    *,
    committed: bool = True,
    answer_s: float = ANSWER_S,
) -> dict[int, int]:
    """Partition -> its end, before or behind what hangs in a transaction that is open."""
    level = IsolationLevel.READ_COMMITTED if committed else IsolationLevel.READ_UNCOMMITTED
    asked = {TopicPartition(topic, number): OffsetSpec.latest() for number in range(partitions)}
    found = admin.list_offsets(asked, isolation_level=level, request_timeout=answer_s)
    return {part.partition: answer.result().offset for part, answer in found.items()}
