"""How a batch becomes permanent, and where a slot goes on after a crash.

Two ways, of one shape: `TransactionalCheckpoint` here, for `recommend`, whose outputs, states and
position commit together, and `OffsetCheckpoint` (offsets.py) for stages whose effect may repeat
harmlessly. Called in the lane's pool threads, for one batch a slot at a time.
"""

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import msgspec
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from schemas.state import BOUNDS_VERSION, MARKER_KEY, POSITION_KEY, Marker, Position
from schemas.topics import STATE_CHANGELOG
from streams import metrics
from streams.lane import clients, hanging, positions
from streams.lane.contract import Offsets, Outcome, Produced, Slot
from streams.lane.errors import DiskError, FencedError, LaneError, StateError, TopicError
from streams.lane.restoring import restore
from streams.lane.writing import Forward, produce, until
from streams.settings import Settings
from streams.state.fold import FOLD_VERSION
from streams.state.store import Change, Store, StoreError

log = logging.getLogger(__name__)

_OPEN_DEADLINE_S = 60.0


@dataclass(frozen=True)
class Opened:
    """Where a slot stands, by topic; None: nothing is known of this topic yet."""

    folded_to: Mapping[str, int | None]
    """Every effect of the input before this is in the store."""
    go_on_at: Mapping[str, int | None]
    """The input before this is answered."""
    store: Store | None = None


Left = Callable[[int], None]
"""Told how many records are still to be read; raises to end the reading."""


class Checkpoint(Protocol):
    transactional: bool

    def open(self, slot: Slot, feeds: Sequence[str], left: Left) -> Opened:
        """Fence whoever held the slot, and tell where to go on."""

    def commit(self, slot: Slot, behind: Offsets, outcome: Outcome) -> None:
        """Make a batch permanent; `behind` is the whole position behind it."""

    def check(self) -> None:
        """Whether what is held is still what it was; asked every few seconds. Raises LaneError."""

    def close(self, slot: Slot) -> None:
        """The slot is given up; nothing of it is in flight."""


@dataclass
class _Held:
    """What is held of an open slot."""

    producer: Producer
    store: Store | None = None
    position: Mapping[str, int] = field(default_factory=dict)


class TransactionalCheckpoint:
    """One producer and one transactional.id a partition, for ever: whoever opens it fences the
    one before, whatever that one still holds in hand.
    """

    transactional = True

    def __init__(self, settings: Settings, application: str, state_dir: Path) -> None:
        self._settings = settings
        self._application = application
        self._state_dir = state_dir
        self._held: dict[Slot, _Held] = {}
        self._topic_ids: dict[str, str] = {}
        self._forward = Forward(settings)

    def open(self, slot: Slot, feeds: Sequence[str], left: Left) -> Opened:
        """In four steps; a crash in or after any leaves nothing to mend.

        1. Fence: whoever held the partition can commit nothing more, and what it left open is
           settled, also where the broker left it without an end (hanging.py).
        2. Open the store beside the worker; where it is damaged it is made anew.
        3. Read the changelog into it, from where it ends to the log's end.
        4. Check that marker and position can be believed.
        """
        metrics.phase(slot.partition, "fencing")
        producer = clients.transactional_producer(
            self._settings, f"{self._application}-{slot.partition}"
        )
        ends = time.monotonic() + _OPEN_DEADLINE_S
        try:
            until(ends, f"fencing of {slot}", producer.init_transactions)  # 1
            hanging.end(self._settings, producer, slot.partition, ends)
        except KafkaException as error:
            raise LaneError(f"{slot} cannot be fenced: {error}") from error
        held = self._held[slot] = _Held(producer)
        names = (*feeds, STATE_CHANGELOG.name)
        self._know(positions.topic_ids(self._settings, names))
        metrics.phase(slot.partition, "restoring")
        folder = self._state_dir / str(slot.partition)
        try:
            changelog = self._topic_ids[STATE_CHANGELOG.name]
            store = Store(folder, changelog)  # 2
            held.store = store
            began = time.monotonic()
            read = restore(self._settings, slot.partition, store, left)  # 3
            if read:
                took_s = time.monotonic() - began
                log.info("%s: %d records of the changelog in %.1f s", slot, read, took_s)
            position, marker = store.position(), store.marker()
        except StoreError as error:
            raise DiskError(str(error)) from error
        held.position = dict(position.offsets) if position else {}
        if marker is not None and marker.changelog != changelog:
            log.error("%s: the marker is of a changelog that was deleted; all input counts", slot)
            marker = None
        folded = _believed(slot, held.position, marker)  # 4
        ids = {feed: self._topic_ids[feed] for feed in feeds}
        return Opened(
            {feed: folded.get(ids[feed]) for feed in feeds},
            {feed: held.position.get(ids[feed]) for feed in feeds},
            store,
        )

    def commit(self, slot: Slot, behind: Offsets, outcome: Outcome) -> None:
        """Commit a batch in six steps, and what a crash just after each leaves behind.

        1. Forward the misplaced records and wait until they are acknowledged. Crash: they are in
           their partition, the batch is read again and they are forwarded again; folding an
           event twice changes nothing.
        2. Begin a transaction and produce the stage's records into it. Crash: the transaction is
           aborted when the slot is opened next; read_committed readers never see a record of it.
        3. Produce a slice of the states into it and, where that ends a cycle, the marker. Crash:
           as after 2; the states are folded again from the last marker on.
        4. Produce the position record into it. Crash: as after 2.
        5. Commit. Crash before the broker has the commit: as after 2. Crash after it: the batch
           is done, and the next worker goes on behind it.
        6. Write the slice to the store. Crash before or in it: the store lacks the slice, and the
           next opening reads it from the changelog.

        A transaction that the broker aborted is made again from step 2, until the deadline.
        Raises FencedError, DeadlineError, DiskError, LaneError.
        """
        deadline = time.monotonic() + self._settings.commit_deadline_ms / 1000
        held = self._held[slot]
        self._forward(outcome.forward, deadline)  # 1
        position = {**held.position, **self._by_id(behind)}
        changes = [*outcome.flush.changes]
        if outcome.flush.marker is not None:
            marker = Marker(
                fold=FOLD_VERSION,
                changelog=self._topic_ids[STATE_CHANGELOG.name],
                offsets=self._by_id(outcome.flush.marker),
            )
            changes.append(Change(MARKER_KEY, msgspec.json.encode(marker)))
        changes.append(Change(POSITION_KEY, msgspec.json.encode(Position(offsets=position))))
        while (end := self._attempt(held.producer, slot, outcome, changes, deadline)) is None:
            log.warning("%s: the transaction was aborted and is made again", slot)
        # Behind a batch of no records no marker follows that would bring the store to the end.
        is_last = position == held.position
        held.position = position
        is_flush = bool(outcome.flush.changes) or outcome.flush.marker is not None
        if held.store is not None and (is_flush or is_last):
            try:
                held.store.write(changes, end)  # 6
            except StoreError as error:
                raise DiskError(str(error)) from error

    def check(self) -> None:
        """Positions are kept by topic id: records of a topic made again would count for the old."""
        known = dict(self._topic_ids)
        try:
            found = positions.topic_ids(self._settings, list(known))
        except KafkaException as error:
            if error.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                log.warning("the topics' ids cannot be looked at: %s", error)
                return
            raise TopicError(f"one of {', '.join(known)} was deleted") from error
        self._know(found)

    def _know(self, found: Mapping[str, str]) -> None:
        """The topics' ids, which stay what they were while this process lives."""
        changed = [name for name, id_ in found.items() if self._topic_ids.get(name, id_) != id_]
        if changed:
            raise TopicError(
                f"{', '.join(changed)} was deleted and made again; a start folds it from its start"
            )
        self._topic_ids |= found

    def close(self, slot: Slot) -> None:
        metrics.forget(slot.partition)
        held = self._held.pop(slot, None)
        if held is not None:
            held.producer.purge()
            if held.store is not None:
                held.store.close()

    def _attempt(
        self,
        producer: Producer,
        slot: Slot,
        outcome: Outcome,
        changes: Sequence[Change],
        deadline: float,
    ) -> int | None:
        """One transaction: the offset of the changelog behind it. None: the broker aborted it,
        and it may be made again.
        """
        delivered: list[int] = []

        def on_delivery(error: KafkaError | None, message: Message) -> None:
            if error is None:
                delivered.append(message.offset())

        try:
            producer.begin_transaction()
            *states, position = _as_records(changes, slot.partition)
            produce(producer, outcome.produce, deadline)  # 2
            produce(producer, states, deadline)  # 3
            produce(producer, [position], deadline, on_delivery)  # 4
            until(deadline, f"commit of {slot}", producer.commit_transaction)  # 5
            producer.poll(0)
        except KafkaException as raised:
            error: KafkaError = raised.args[0]
            if error.txn_requires_abort() and time.monotonic() < deadline:
                until(deadline, f"abort of {slot}", producer.abort_transaction)
                return None
            if error.code() in _FENCED:
                raise FencedError(
                    f"{slot} is held by another worker now; this one's batch was rejected"
                ) from raised
            raise LaneError(f"commit of {slot} failed: {error}") from raised
        return delivered[0] + 1

    def _by_id(self, offsets: Offsets) -> dict[str, int]:
        return {self._topic_ids[topic]: offset for topic, offset in offsets.items()}


def _as_records(changes: Sequence[Change], partition: int) -> Iterator[Produced]:
    for key, value in changes:
        yield Produced(STATE_CHANGELOG.name, key, value, partition=partition)


def _believed(slot: Slot, position: Mapping[str, int], marker: Marker | None) -> Mapping[str, int]:
    """Where the marker is, by topic id. Raises StateError where that cannot be."""
    if marker is None:
        return {}
    if (marker.format, marker.bounds, marker.fold) not in READ_MARKERS:
        raise StateError(
            f"{slot}: the states were made by fold {marker.fold} with bounds {marker.bounds}"
            f" (marker format {marker.format}); this release goes on from"
            f" {sorted(READ_MARKERS)}: start one that reads them"
        )
    for topic_id, offset in marker.offsets.items():
        if position.get(topic_id, -1) < offset:
            raise StateError(
                f"{slot}: the marker says that topic {topic_id} is folded up to {offset}, the"
                f" position says {position.get(topic_id)}; this changelog was not written by one"
                " worker at a time and cannot be believed"
            )
    return marker.offsets


READ_MARKERS = {(1, BOUNDS_VERSION, FOLD_VERSION)}
"""(format, bounds, fold) of the markers behind which this release can go on."""
_FENCED = (
    KafkaError._FENCED,  # noqa: SLF001
    KafkaError.PRODUCER_FENCED,
    KafkaError.INVALID_PRODUCER_EPOCH,
)
