"""How a batch becomes permanent, and where a slot goes on after a crash.

Two ways, of one shape: `TransactionalCheckpoint` for `recommend`, whose outputs and position
commit together, and `OffsetCheckpoint` for stages whose effect may repeat harmlessly. Called in
the lane's pool threads, for one batch a slot at a time; librdkafka waits without the interpreter's
lock.
"""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import CancelledError, Future
from functools import partial
from typing import Protocol

import msgspec
from confluent_kafka import KafkaError, KafkaException, Producer, TopicPartition

from schemas.state import POSITION_KEY, Position
from schemas.topics import STATE_CHANGELOG
from streams.lane import clients, positions
from streams.lane.contract import Outcome, Produced, Slot
from streams.lane.errors import DeadlineError, FencedError, LaneError
from streams.settings import Settings

log = logging.getLogger(__name__)

NextOffsets = Mapping[tuple[str, int], int]
"""The offset behind a batch, of each (topic, partition) that had records in it."""

_OPEN_DEADLINE_S = 60.0
_RETRY_S = 0.2


class Checkpoint(Protocol):
    replays: bool
    """Whether the stage's memory is made again from the input before the position."""

    def open(self, slot: Slot, feeds: Sequence[str]) -> dict[str, int | None]:
        """Fence whoever held the slot, and tell for each topic where to go on; None: its start."""

    def commit(self, slot: Slot, behind: NextOffsets, outcome: Outcome) -> None:
        """Make a batch permanent."""

    def close(self, slot: Slot) -> None:
        """The slot is given up; nothing of it is in flight."""


class TransactionalCheckpoint:
    """One producer and one transactional.id a partition, for ever: whoever opens it fences the
    one before, whatever that one still holds in hand.
    """

    replays = True

    def __init__(self, settings: Settings, application: str) -> None:
        self._settings = settings
        self._application = application
        self._producers: dict[Slot, Producer] = {}
        self._offsets: dict[Slot, dict[str, int]] = {}
        self._topic_ids: dict[str, str] = {}
        self._forward = Forward(settings)

    def open(self, slot: Slot, feeds: Sequence[str]) -> dict[str, int | None]:
        producer = clients.transactional_producer(
            self._settings, f"{self._application}-{slot.partition}"
        )
        ends = time.monotonic() + _OPEN_DEADLINE_S
        try:
            _until(ends, f"fencing of {slot}", producer.init_transactions)
        except KafkaException as error:
            raise LaneError(f"{slot} cannot be fenced: {error}") from error
        self._topic_ids |= positions.topic_ids(self._settings, feeds)
        position = positions.last(self._settings, slot.partition)
        self._producers[slot] = producer
        self._offsets[slot] = dict(position.offsets)
        return {feed: position.offsets.get(self._topic_ids[feed]) for feed in feeds}

    def commit(self, slot: Slot, behind: NextOffsets, outcome: Outcome) -> None:
        """Commit a batch in four steps, and what a crash just after each leaves behind.

        1. Forward the misplaced records and wait until they are acknowledged. Crash: they are in
           their partition, the batch is read again and they are forwarded again; folding an
           event twice changes nothing.
        2. Begin a transaction and produce the stage's records into it. Crash: the transaction is
           aborted when the slot is opened next; read_committed readers never see a record of it.
        3. Produce the position record into it. Crash: as after 2.
        4. Commit. Crash before the broker has the commit: as after 2. Crash after it: the batch
           is done, and the next worker goes on behind it.

        A transaction that the broker aborted is made again from step 2, until the deadline.
        Raises FencedError, DeadlineError, LaneError.
        """
        deadline = time.monotonic() + self._settings.commit_deadline_ms / 1000
        self._forward(outcome.forward, deadline)  # 1
        producer = self._producers[slot]
        offsets = self._offsets[slot] | {
            self._topic_ids[topic]: offset for (topic, _), offset in behind.items()
        }
        position = Produced(
            STATE_CHANGELOG.name,
            POSITION_KEY,
            msgspec.json.encode(Position(offsets=offsets)),
            partition=slot.partition,
        )
        records = (*outcome.produce, position)  # 2 and 3 are one loop: the position is the last
        while not self._attempt(producer, records, slot, deadline):
            log.warning("%s: the transaction was aborted and is made again", slot)
        self._offsets[slot] = offsets

    def close(self, slot: Slot) -> None:
        producer = self._producers.pop(slot, None)
        self._offsets.pop(slot, None)
        if producer is not None:
            producer.purge()

    def _attempt(
        self, producer: Producer, records: Sequence[Produced], slot: Slot, deadline: float
    ) -> bool:
        """One transaction. False: the broker aborted it, and it may be made again."""
        try:
            producer.begin_transaction()
            for record in records:
                _produce(producer, record, deadline)
            _until(deadline, f"commit of {slot}", producer.commit_transaction)  # 4
        except KafkaException as raised:
            error: KafkaError = raised.args[0]
            if error.txn_requires_abort() and time.monotonic() < deadline:
                _until(deadline, f"abort of {slot}", producer.abort_transaction)
                return False
            if error.code() in _FENCED:
                raise FencedError(
                    f"{slot} is held by another worker now; this one's batch was rejected"
                ) from raised
            raise LaneError(f"commit of {slot} failed: {error}") from raised
        return True


class OffsetCheckpoint:
    """Effects first, then the group's offset. A crash between repeats the batch, so every effect
    must be harmless when repeated: rows keyed by their own id, dead letters.
    """

    replays = False

    def __init__(self, settings: Settings, group: str) -> None:
        self._settings = settings
        self._group = group
        self._forward = Forward(settings)
        self.commit_offsets: Callable[[list[TopicPartition]], Future[list[TopicPartition]]]
        """The group member's, set when the lane starts."""

    def open(self, slot: Slot, feeds: Sequence[str]) -> dict[str, int | None]:
        return positions.committed(self._settings, self._group, slot.partition, feeds)

    def commit(self, slot: Slot, behind: NextOffsets, outcome: Outcome) -> None:
        """1. Produce what the stage returned and wait for it. 2. Commit the offsets.

        A crash after 1 repeats both. Raises DeadlineError, LaneError.
        """
        deadline = time.monotonic() + self._settings.commit_deadline_ms / 1000
        self._forward((*outcome.forward, *outcome.produce), deadline)  # 1
        offsets = [TopicPartition(*feed, offset) for feed, offset in behind.items()]
        try:
            _until(deadline, f"offsets of {slot}", partial(self._commit_offsets, offsets))  # 2
        except KafkaException as raised:
            error: KafkaError = raised.args[0]
            if error.code() not in _GIVEN_UP:
                raise LaneError(f"offsets of {slot} cannot be committed: {error}") from raised
            log.warning("%s is not held any more; whoever holds it repeats this batch", slot)

    def _commit_offsets(self, offsets: list[TopicPartition], timeout_s: float) -> None:
        try:
            committed = self.commit_offsets(offsets).result(timeout_s)
        except (TimeoutError, CancelledError):
            raise DeadlineError("the group's member did not commit in time") from None
        for part in committed:
            if part.error is not None:
                raise KafkaException(part.error)

    def close(self, slot: Slot) -> None:
        """Nothing is held for a slot."""


class Forward:
    """Plain produce, acknowledged before it returns, never part of a transaction: an open one
    would hold back every reader of the other partitions.
    """

    def __init__(self, settings: Settings) -> None:
        self._producer = clients.idempotent_producer(settings)

    def __call__(self, records: Sequence[Produced], deadline: float) -> None:
        failed: list[KafkaError] = []
        acknowledged = 0

        def on_delivery(error: KafkaError | None, _: object) -> None:
            nonlocal acknowledged
            acknowledged += 1
            if error is not None:
                failed.append(error)

        for record in records:
            _produce(self._producer, record, deadline, on_delivery)
        while acknowledged < len(records) and time.monotonic() < deadline:
            self._producer.flush(_RETRY_S)
        if failed or acknowledged < len(records):
            why = failed[0] if failed else "no acknowledgement in time"
            raise DeadlineError(f"{len(records)} records could not be written: {why}")


def _produce(
    producer: Producer, record: Produced, deadline: float, on_delivery: object = None
) -> None:
    """Waits while librdkafka's queue is full."""
    partition = {} if record.partition is None else {"partition": record.partition}
    while True:
        try:
            producer.produce(
                record.topic,
                key=record.key,
                value=record.value,
                headers=record.headers,
                on_delivery=on_delivery,
                **partition,
            )
        except BufferError:
            if time.monotonic() > deadline:
                raise DeadlineError(f"no room to write to {record.topic}") from None
            producer.poll(_RETRY_S)
        else:
            return


def _until(deadline: float, what: str, step: "Step") -> None:
    """Repeat a step that says it can be tried again, until it is done."""
    while True:
        left_s = deadline - time.monotonic()
        if left_s <= 0:
            raise DeadlineError(f"{what} did not end in time; is Kafka up?")
        try:
            step(left_s)
        except KafkaException as raised:
            error: KafkaError = raised.args[0]
            if not (error.retriable() or error.code() in _AGAIN):
                raise
            log.warning("%s is tried again: %s", what, error)
            time.sleep(_RETRY_S)
        else:
            return


class Step(Protocol):
    def __call__(self, timeout_s: float, /) -> None: ...


_FENCED = (
    KafkaError._FENCED,  # noqa: SLF001
    KafkaError.PRODUCER_FENCED,
    KafkaError.INVALID_PRODUCER_EPOCH,
)
_GIVEN_UP = (
    KafkaError.ILLEGAL_GENERATION,
    KafkaError.UNKNOWN_MEMBER_ID,
    KafkaError.FENCED_INSTANCE_ID,
)
_AGAIN = clients.TRANSIENT | {KafkaError.REBALANCE_IN_PROGRESS}
