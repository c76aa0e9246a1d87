"""Kafka as the commands use it: is it there, read topics to their ends, write and be sure.

Called by everything of `infra` that produces or reads records outside of a worker. Never joins a
consumer group. All errors are BrokerError: a sentence for a person.
"""

import socket
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from types import TracebackType
from typing import Self

from confluent_kafka import Consumer, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from streams.lane import clients
from streams.lane.contract import Headers
from streams.settings import Settings

ANSWER_S = 5.0
"""For a broker that runs; one on this machine answers in milliseconds."""
_ACKNOWLEDGED_S = 60.0
_STEP_S = 0.5
"""librdkafka does not see Ctrl-C while it waits."""
_CONNECT_S = 2.0
_QUIET = {"log_level": 0}
"""A person gets one sentence, not librdkafka's lines about every refused connection."""


class BrokerError(Exception):
    """Kafka is not there, lacks a topic, or did not take a record. Repeating is safe."""


def admin(settings: Settings) -> AdminClient:
    """Keep it as long as one of its futures is awaited."""
    return AdminClient({"bootstrap.servers": settings.kafka, **_QUIET})


def reader(settings: Settings, **more: object) -> Consumer:
    """Outside of any group and read_committed; tells the end of each partition."""
    return clients.reader(
        settings, **{"fetch.min.bytes": 1, "enable.partition.eof": True, **_QUIET, **more}
    )


def is_there(settings: Settings, within_s: float = ANSWER_S) -> bool:
    return _topics(settings, within_s) is not None


def require(settings: Settings, topics: Iterable[str]) -> None:
    """Raises BrokerError where Kafka does not answer or lacks one of the topics."""
    found = _topics(settings)
    if found is None:
        raise BrokerError(
            f"Kafka at {settings.kafka} does not answer; `tidemill up` starts the local one, "
            "TIDEMILL_KAFKA names another"
        )
    for topic in topics:
        if topic not in found:
            raise BrokerError(f"topic {topic} does not exist; `tidemill topics` creates it")


def _topics(settings: Settings, within_s: float = ANSWER_S) -> Collection[str] | None:
    """The names of all topics; None where nobody answers."""
    if not any(_takes_connections(address) for address in settings.kafka.split(",")):
        return None  # librdkafka would go on trying until its timeout
    try:
        return set(admin(settings).list_topics(timeout=within_s).topics)
    except KafkaException:
        return None


def _takes_connections(address: str) -> bool:
    host, _, port = address.strip().rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_CONNECT_S).close()
    except (OSError, ValueError, OverflowError):
        return False
    return True


def partitions(consumer: Consumer, topics: Iterable[str]) -> list[TopicPartition]:
    """Every partition of the topics, at its first record."""
    parts = []
    for topic in topics:
        for number in consumer.list_topics(topic, timeout=ANSWER_S).topics[topic].partitions:
            part = TopicPartition(topic, number)
            part.offset, _ = clients.watermarks(consumer, part)
            parts.append(part)
    return parts


def ends(consumer: Consumer, topics: Iterable[str]) -> list[TopicPartition]:
    """Every partition of the topics, behind its last committed record."""
    parts = partitions(consumer, topics)
    for part in parts:
        _, part.offset = clients.watermarks(consumer, part)
    return parts


def read_whole(settings: Settings, topics: Sequence[str]) -> Iterator[Message]:
    """Every committed record of the topics, up to the end as it is met."""
    require(settings, topics)
    consumer = reader(settings)
    try:
        yield from clients.read_to_end(consumer, partitions(consumer, topics))
    finally:
        consumer.close()


class Sender:
    """Writes records and counts what the broker acknowledged; leaving the block waits for all.

    Keys are placed as Kafka's own clients do it. Raises BrokerError at the end if any record was
    not acknowledged.
    """

    def __init__(self, settings: Settings) -> None:
        self._producer = Producer(
            {
                "bootstrap.servers": settings.kafka,
                "enable.idempotence": True,
                "message.timeout.ms": int(_ACKNOWLEDGED_S * 1000),
                "partitioner": "murmur2_random",
                "linger.ms": 5,
                "compression.type": "lz4",
                **_QUIET,
            }
        )
        self._failed: Counter[str] = Counter()
        self.acknowledged = 0
        self.appended_at_ms = 0
        """The record time of the last acknowledgement: append time, where the topic has that."""
        self.behind: dict[tuple[str, int], int] = {}
        """Of each (topic, partition) written to, the offset behind the last acknowledged record."""

    def send(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        headers: Headers,
        timestamp_ms: int = 0,
    ) -> None:
        """Returns when the record is under way."""
        while True:
            try:
                self._producer.produce(
                    topic,
                    value,
                    key,
                    headers=headers,
                    timestamp=timestamp_ms,
                    on_delivery=self._told,
                )
                break
            except BufferError:
                self._producer.poll(_STEP_S)
            except KafkaException as error:
                self._failed[str(error)] += 1
                break
        self._producer.poll(0)

    def poll(self, timeout_s: float) -> None:
        """Let acknowledgements in while there is nothing to send."""
        self._producer.poll(timeout_s)

    def finish(self) -> None:
        """Returns when every record is acknowledged."""
        waited_s = 0.0
        while (left := self._producer.flush(_STEP_S)) and waited_s < _ACKNOWLEDGED_S:
            waited_s += _STEP_S
        if left:
            self._failed["no answer from the broker"] += left
        if self._failed:
            reason, _ = self._failed.most_common(1)[0]
            total = self.acknowledged + self._failed.total()
            raise BrokerError(
                f"{self._failed.total()} of {total} records were not acknowledged: {reason}"
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self.finish()
        else:
            self._producer.purge()
            self._producer.flush(_STEP_S)

    def _told(self, error: object, message: Message) -> None:
        if error is None:
            self.acknowledged += 1
            _, self.appended_at_ms = message.timestamp()
            self.behind[message.topic(), message.partition()] = message.offset() + 1
        else:
            self._failed[str(error)] += 1
