"""How a batch becomes permanent, and where a slot goes on after a crash.

Two ways, of one shape: `TransactionalCheckpoint` here, for `recommend`, whose outputs and position
commit together, and `OffsetCheckpoint` (offsets.py) for stages whose effect may repeat harmlessly.
Called in the lane's pool threads, for one batch a slot at a time.
"""

import logging
import time
from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec
from confluent_kafka import KafkaError, KafkaException, Producer

from schemas.state import POSITION_KEY, Position
from schemas.topics import STATE_CHANGELOG
from streams.lane import clients, positions
from streams.lane.contract import Outcome, Produced, Slot
from streams.lane.errors import FencedError, LaneError
from streams.lane.writing import Forward, produce, until
from streams.settings import Settings

log = logging.getLogger(__name__)

NextOffsets = Mapping[tuple[str, int], int]
"""The offset behind a batch, of each (topic, partition) that had records in it."""

_OPEN_DEADLINE_S = 60.0


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
            until(ends, f"fencing of {slot}", producer.init_transactions)
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
                produce(producer, record, deadline)
            until(deadline, f"commit of {slot}", producer.commit_transaction)  # 4
        except KafkaException as raised:
            error: KafkaError = raised.args[0]
            if error.txn_requires_abort() and time.monotonic() < deadline:
                until(deadline, f"abort of {slot}", producer.abort_transaction)
                return False
            if error.code() in _FENCED:
                raise FencedError(
                    f"{slot} is held by another worker now; this one's batch was rejected"
                ) from raised
            raise LaneError(f"commit of {slot} failed: {error}") from raised
        return True


_FENCED = (
    KafkaError._FENCED,  # noqa: SLF001
    KafkaError.PRODUCER_FENCED,
    KafkaError.INVALID_PRODUCER_EPOCH,
)
