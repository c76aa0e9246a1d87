"""How the lane's Kafka clients are configured, and why."""

import itertools
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from streams.lane.errors import DeadlineError
from streams.settings import Settings

T = TypeVar("T")

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
            # Of a partition at once; librdkafka asks for more where a record is larger. Partitions
            # take turns in steps of this, so that their batches grow side by side.
            "fetch.message.max.bytes": 1024 * 1024,
            "receive.message.max.bytes": 2 * MAX_FETCHED_BYTES,
            "reconnect.backoff.max.ms": 1000,
            "enable.partition.eof": True,
            **more,
        }
    )


def catch_up_reader(settings: Settings, isolation: str = "read_committed", **more: Any) -> Consumer:
    """A reader for logs that are read to their end before anything else happens."""
    return reader(settings, **{"fetch.min.bytes": 1, "isolation.level": isolation, **more})


SOON_AT_THE_END: Mapping[str, Any] = {"fetch.wait.max.ms": 5}
"""A log's end is told behind a fetch that found nothing, which somebody waits for."""


def follower(settings: Settings) -> Consumer:
    """A reader for logs that are read to their end and then on, which rarely grow: what comes is
    there at once, and a broker where nothing does is asked ten times a second.
    """
    return reader(settings, **{"fetch.min.bytes": 1, "fetch.wait.max.ms": 100})


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
            **({"group.instance.id": settings.instance} if settings.instance else {}),
        }
    )


def transactional_producer(settings: Settings, transactional_id: str, **more: Any) -> Producer:
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
            **more,
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

    Raises KafkaException for what librdkafka cannot get over by itself, DeadlineError where
    nothing comes for too long.
    """
    consumer.assign(start)
    open_partitions = {(part.topic, part.partition) for part in start}
    ends = time.monotonic() + _STALL_S
    while open_partitions:
        messages = fetch(consumer, 1.0)
        if messages:
            ends = time.monotonic() + _STALL_S
        elif time.monotonic() > ends:
            waiting = ", ".join(f"{topic}-{part}" for topic, part in sorted(open_partitions))
            raise DeadlineError(f"nothing came of {waiting} for {_STALL_S:.0f} s; is Kafka up?")
        for message in messages:
            error = message.error()
            if error is None:
                yield message
            elif is_end(error):
                open_partitions.discard((message.topic(), message.partition()))
            elif not error.retriable() and error.code() not in TRANSIENT:
                raise KafkaException(error)


def again(call: Callable[[], T]) -> T:
    """What a call gives, repeated while the broker refuses for the moment: a leader or coordinator
    that moves, a topic made just now, a broker that went away before a new client had heard of any
    partition. Raises KafkaException for anything else, or when it lasts.
    """
    ends = time.monotonic() + _TIMEOUT_S
    while True:
        try:
            return call()
        except KafkaException as error:
            if error.args[0].code() not in _ASK_AGAIN or time.monotonic() > ends:
                raise
            time.sleep(_AGAIN_S)


def watermarks(consumer: Consumer, log: TopicPartition) -> tuple[int, int]:
    """The first offset of a partition and the one behind its last."""
    found: tuple[int, int] = again(lambda: consumer.get_watermark_offsets(log, timeout=_TIMEOUT_S))
    return found


def committed(
    group: Consumer, asked: list[TopicPartition], timeout_s: float
) -> list[TopicPartition]:
    """What a group has committed of these. Raises KafkaException."""
    found: list[TopicPartition] = again(lambda: group.committed(asked, timeout=timeout_s))
    return found


def backwards(consumer: Consumer, log: TopicPartition) -> Iterator[list[Message]]:
    """A partition's records from its end to its start, in steps that grow; each step in order."""
    start, end = watermarks(consumer, log)
    step = _FIRST_STEP
    while end > start:
        begin = max(start, end - step)
        tail = read_to_end(consumer, [TopicPartition(log.topic, log.partition, begin)])
        yield list(before(tail, end))
        end = begin
        step *= 4


def before(messages: Iterator[Message], offset: int) -> Iterator[Message]:
    """Those of one partition before an offset."""
    return itertools.takewhile(lambda message: message.offset() < offset, messages)


def fetch(consumer: Consumer, timeout_s: float, at_most: int = 10_000) -> list[Message]:
    """What is there, as soon as anything is: `consume` alone waits for a full list or its end."""
    messages: list[Message] = consumer.consume(at_most, timeout=0)
    if messages:
        return messages
    first = consumer.poll(timeout_s)
    return [] if first is None else [first, *consumer.consume(at_most, timeout=0)]


_STALL_S = 60.0
_TIMEOUT_S = 30.0
_AGAIN_S = 0.2
_FIRST_STEP = 256
"""Records read backwards at first: those of the last batches."""


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
        KafkaError._DESTROY_BROKER,  # noqa: SLF001
        KafkaError.REQUEST_TIMED_OUT,
        KafkaError.BROKER_NOT_AVAILABLE,
        KafkaError.REPLICA_NOT_AVAILABLE,
        KafkaError.FENCED_LEADER_EPOCH,
        KafkaError.UNKNOWN_LEADER_EPOCH,
        KafkaError.OFFSET_NOT_AVAILABLE,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.NOT_COORDINATOR,
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.NOT_LEADER_FOR_PARTITION,
    )
)
"""What passes by itself once a broker is back."""
_ASK_AGAIN = TRANSIENT | {KafkaError._UNKNOWN_PARTITION}  # noqa: SLF001
