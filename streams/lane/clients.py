"""How the lane's Kafka clients are configured, and why."""

from collections.abc import Callable, Iterator
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from streams.settings import Settings

READER_GROUP = "tidemill-reader"
"""librdkafka wants a group id even of a consumer that never joins one."""
MAX_FETCHED_BYTES = 64 * 1024 * 1024
"""The largest record, unpacked, that may lie in a topic."""


def reader(settings: Settings, **more: Any) -> Consumer:
    """A consumer outside of any group: it reads what it is told to, from where it is told to."""
    return Consumer(
        {
            "bootstrap.servers": settings.kafka,
            "group.id": READER_GROUP,
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            # Only where an offset is out of range: retention overtook us, so go on at the start.
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed",
            # The broker gathers, so batches grow with the rate and the worker sleeps between.
            "fetch.min.bytes": 1_000_000,
            "fetch.wait.max.ms": settings.fetch_wait_ms,
            "fetch.queue.backoff.ms": 5,
            "queued.max.messages.kbytes": 16_384,
            "fetch.message.max.bytes": MAX_FETCHED_BYTES,
            "receive.message.max.bytes": 2 * MAX_FETCHED_BYTES,
            "reconnect.backoff.max.ms": 1000,
            "enable.partition.eof": True,
            **more,
        }
    )


def catch_up_reader(settings: Settings) -> Consumer:
    """A reader for logs that are read to their end before anything else happens."""
    return reader(settings, **{"fetch.min.bytes": 1})


def member(settings: Settings, group: str, on_error: Callable[[KafkaError], None]) -> Consumer:
    """A consumer that only takes part in the group; it is paused and never gets a record."""
    return Consumer(
        {
            "bootstrap.servers": settings.kafka,
            "group.id": group,
            "partition.assignment.strategy": "cooperative-sticky",
            "session.timeout.ms": settings.session_timeout_ms,
            "heartbeat.interval.ms": max(200, settings.session_timeout_ms // 12),
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "auto.offset.reset": "earliest",
            "reconnect.backoff.max.ms": 1000,
            # A topic made a moment ago is found in seconds, not in five minutes.
            "topic.metadata.refresh.interval.ms": 10_000,
            "error_cb": on_error,
        }
    )


def transactional_producer(settings: Settings, transactional_id: str) -> Producer:
    return Producer(
        {
            "bootstrap.servers": settings.kafka,
            "transactional.id": transactional_id,
            "transaction.timeout.ms": settings.commit_deadline_ms,
            # Not above the transaction's own timeout, or the broker aborts under our feet.
            "message.timeout.ms": settings.commit_deadline_ms,
            "partitioner": "murmur2_random",
            "linger.ms": 5,
            "compression.type": "lz4",
            "reconnect.backoff.max.ms": 1000,
        }
    )


def idempotent_producer(settings: Settings) -> Producer:
    """For what is acknowledged before a commit and harmless when repeated."""
    return Producer(
        {
            "bootstrap.servers": settings.kafka,
            "enable.idempotence": True,
            "message.timeout.ms": settings.commit_deadline_ms,
            "partitioner": "murmur2_random",
            "linger.ms": 5,
            "compression.type": "lz4",
            "reconnect.backoff.max.ms": 1000,
        }
    )


def administrator(settings: Settings) -> AdminClient:
    # Its farewell is an info line on stderr each time; warnings stay.
    return AdminClient({"bootstrap.servers": settings.kafka, "log_level": 4})


def read_to_end(consumer: Consumer, start: list[TopicPartition]) -> Iterator[Message]:
    """Every record from `start` up to the end as each partition is reached once.

    Raises KafkaException for what librdkafka cannot get over by itself.
    """
    consumer.assign(start)
    open_partitions = {(part.topic, part.partition) for part in start}
    while open_partitions:
        for message in fetch(consumer, 1.0):
            error = message.error()
            if error is None:
                yield message
            elif is_end(error):
                open_partitions.discard((message.topic(), message.partition()))
            elif not error.retriable() and error.code() not in TRANSIENT:
                raise KafkaException(error)


def fetch(consumer: Consumer, timeout_s: float) -> list[Message]:
    """What is there, as soon as anything is: `consume` alone waits for a full list or its end."""
    first = consumer.poll(timeout_s)
    return [] if first is None else [first, *consumer.consume(_CHUNK, timeout=0)]


_CHUNK = 10_000


def is_end(error: KafkaError) -> bool:
    """Whether a partition was read to its end; not an error at all."""
    return bool(error.code() == KafkaError._PARTITION_EOF)  # noqa: SLF001


TRANSIENT = frozenset(
    (
        KafkaError._TRANSPORT,  # noqa: SLF001
        KafkaError._ALL_BROKERS_DOWN,  # noqa: SLF001
        KafkaError._RESOLVE,  # noqa: SLF001
        KafkaError._TIMED_OUT,  # noqa: SLF001
        KafkaError._AUTO_OFFSET_RESET,  # noqa: SLF001
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.NOT_COORDINATOR,
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.NOT_LEADER_FOR_PARTITION,
    )
)
"""What passes by itself once a broker is back."""
