"""A worker's slots, from assigned to given up, and the batch that each has in flight.

Threads: the group's member, the reader, a pool that opens, a pool that commits. Everything else
runs in the event loop's thread, and the fields of a slot are only changed there, but for the
records that the reader appends. What goes wrong anywhere ends the worker by `fatal`.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from confluent_kafka import KafkaException, Message

from schemas.state import UnknownFormatError
from streams import metrics
from streams.lane.checkpoint import Checkpoint
from streams.lane.contract import Batch, Outcome, Slot, Stage
from streams.lane.errors import (
    DiskError,
    Fatal,
    LaneError,
    StageError,
    StateError,
    TopicError,
)
from streams.lane.figures import Figures
from streams.lane.guard import Guard
from streams.lane.held import Held
from streams.lane.member import Member
from streams.lane.offering import Offering
from streams.lane.offsets import OffsetCheckpoint
from streams.lane.opening import GivenUpError, Opening
from streams.lane.reader import Reader
from streams.lane.reporting import Reporting, overdue
from streams.lane.settling import drain, settle
from streams.settings import Settings
from streams.state.store import StoreError

log = logging.getLogger(__name__)

_OPENING = 4
"""Partitions restored at once: Kafka and the disk serve so many well."""
_COMMITTING = 16
"""Transactions at once: a commit mostly waits for the broker."""
_TICK_S = 0.1
_REPORT_S = 1.0
_CHECK_S = 5.0


class Lane:
    """Runs one stage."""

    def __init__(
        self,
        stage: Stage,
        stage_name: str,
        checkpoint: Checkpoint,
        feeds: Callable[[str], Sequence[str]],
        opening: Opening,
        settings: Settings,
        fatal: Fatal,
    ) -> None:
        """`feeds` gives, for a topic of the group, all topics whose same partition is read."""
        self._stage = stage
        self._name = stage_name
        self._checkpoint = checkpoint
        self._feeds = feeds
        self._opening = opening
        self._settings = settings
        self._fatal = fatal
        self._guard = Guard(fatal)
        self._held: dict[Slot, Held] = {}
        self._open_pool = ThreadPoolExecutor(_OPENING, "lane-open")
        self._commit_pool = ThreadPoolExecutor(_COMMITTING, "lane-commit")
        self._member: Member | None = None

    @property
    def batches(self) -> "asyncio.Queue[Batch]":
        """What Faust's consumer hands to the agent, which calls `run`."""
        return self._offering.batches

    async def start(self, group: str, topics: Sequence[str]) -> None:
        """Make the stage ready and join the group."""
        self._loop = asyncio.get_running_loop()
        try:
            await self._stage.start()
            self.reader = Reader(self._settings, self, self._from_reader)
            self._offering = Offering(
                self._stage,
                self.reader,
                self._feeds,
                self._settings,
                self._guard,
                transactional=self._checkpoint.transactional,
            )
            self._member = Member(self._settings, group, topics, self, self._fatal)
        except Exception as error:
            self._fatal(error)
            raise
        for_tools = None if isinstance(self._checkpoint, OffsetCheckpoint) else self._member
        self._reporting = Reporting(self._stage, self._offering, self.reader, for_tools)
        if isinstance(self._checkpoint, OffsetCheckpoint):
            self._checkpoint.commit_offsets = self._member.commit
        self.reader.start()
        self._member.start()
        self._ticking = [self._guard.task(self._tick()), self._guard.task(self._check())]

    async def stop(self) -> None:
        """Finish what is in flight, give all slots up, leave the group."""
        if self._member is not None:
            await self._close(list(self._held), lost=False)
            self._member.stop()
            await asyncio.to_thread(self._member.join)
            self.reader.stop()
            await asyncio.to_thread(self.reader.join)
            for task in self._ticking:
                task.cancel()
            await self._stage.stop()
        self._open_pool.shutdown()
        self._commit_pool.shutdown()

    # Told by the member's thread.

    def assigned(self, slots: Sequence[Slot]) -> None:
        self._loop.call_soon_threadsafe(self._guard.call, self._assigned, slots)

    def revoked(self, slots: Sequence[Slot], *, lost: bool) -> Future[None]:
        return asyncio.run_coroutine_threadsafe(self._close(slots, lost=lost), self._loop)

    # Told by the reader's thread.

    def deliver(self, slot: Slot, topic: str, records: list[Message]) -> None:
        held = self._held.get(slot)
        if held is None:
            return
        held.deliver(topic, records)
        # The loop looks for records after it has cleared `offered`, so none is overlooked.
        if held.offered is None:
            self._loop.call_soon_threadsafe(self._guard.call, self._offering.offer, held)
        elif held.wake is not None:
            self._loop.call_soon_threadsafe(held.woken)

    def waiting(self) -> Mapping[Slot, int]:
        return {slot: held.waiting for slot, held in tuple(self._held.items())}

    # In the event loop's thread.

    def _assigned(self, slots: Sequence[Slot]) -> None:
        log.info("assigned %s", ", ".join(map(str, slots)) or "nothing")
        for slot in slots:
            held = self._held[slot] = Held(slot, Figures(self._name, slot))
            if self._checkpoint.transactional:
                metrics.phase(slot.partition, "queued")
            held.opening = self._guard.task(self._open(held))
        self._offering.slots = len(self._held)

    async def _open(self, held: Held) -> None:
        slot, began = held.slot, time.monotonic()
        try:
            feeds = await self._loop.run_in_executor(
                self._open_pool,
                self._opening.open,
                slot,
                self._feeds(slot.topic),
                lambda: self._held.get(slot) is held,
            )
            if self._held.get(slot) is held:
                held.is_open = True
                held.processed = {feed.topic: feed.offset for feed in feeds}
                await asyncio.wrap_future(self.reader.add(slot, feeds))
        except GivenUpError:
            log.info("%s was given up while it was opened", slot)
        except Exception as error:  # noqa: BLE001
            self._fatal(_with_exit_code(error, slot))
        else:
            log.info("%s is open after %.1f s", slot, time.monotonic() - began)

    def run(self, batch: Batch) -> None:
        """Process and commit a batch beside those of other slots."""
        held = self._held.get(batch.slot)
        if held is None or held.offered is not batch:
            return  # given up since; whoever holds the slot now reads these records again
        held.running_batch = batch
        held.running = self._guard.task(self._run(held, batch))

    async def _run(self, held: Held, batch: Batch) -> None:
        held.is_processing = True
        try:
            outcome = await self._stage.process(batch)
        except asyncio.CancelledError:
            if held.is_open:
                raise
            return  # given up before anything was committed; its next holder reads it again
        except Exception as error:  # noqa: BLE001
            wrapped = _with_exit_code(error, held.slot)
            if not isinstance(wrapped, LaneError):
                wrapped = StageError(f"{self._name} failed on {batch}")
                wrapped.__cause__ = error
            self._fatal(wrapped)
            return
        finally:
            held.is_processing = False
        began = time.monotonic()
        if not await self._commit(held, batch.behind, outcome):
            return
        held.figures.committed(batch, time.monotonic() - began)
        self._stage.committed(batch, outcome)
        held.offered = None
        self._offering.offer(held)

    async def _commit(self, held: Held, behind: Mapping[str, int], outcome: Outcome) -> bool:
        try:
            await self._loop.run_in_executor(
                self._commit_pool, self._checkpoint.commit, held.slot, behind, outcome
            )
        except Exception as error:  # noqa: BLE001
            self._fatal(error)
            return False
        held.processed = behind
        return True

    async def _close(self, slots: Sequence[Slot], *, lost: bool) -> None:
        """Give slots up: nothing new, what is in flight to its end, then let go."""
        closing = [held for slot in slots if (held := self._held.pop(slot, None)) is not None]
        self._offering.slots = len(self._held)
        was_open = {held for held in closing if held.is_open}
        for held in closing:
            held.is_open = False
        await asyncio.gather(*(held.opening for held in closing if held.opening is not None))
        removals = (self.reader.remove(held.slot) for held in closing)
        await asyncio.gather(*(asyncio.wrap_future(removal) for removal in removals))
        await settle(closing)
        if not lost:
            await asyncio.gather(*(drain(held, self._stage, self._commit) for held in was_open))
        for held in closing:
            self._checkpoint.close(held.slot)
            self._stage.close(held.slot)
            held.figures.close()
            log.info("%s is given up%s", held.slot, " (lost)" if lost else "")

    async def _tick(self) -> None:
        """Batches for slots without records, lag, and the group's offsets for lag tools."""
        reported = 0.0
        while True:
            await asyncio.sleep(_TICK_S)
            now = time.monotonic()
            for held in tuple(self._held.values()):
                self._offering.offer(held)
                if error := overdue(held, now):
                    self._fatal(error)
            if now - reported > _REPORT_S:
                reported = now
                self._reporting.report(self._held.values(), now)

    async def _check(self) -> None:
        while True:
            await asyncio.sleep(_CHECK_S)
            try:
                await asyncio.to_thread(self._checkpoint.check)
            except TopicError as error:
                await self._leave(error)

    async def _leave(self, error: TopicError) -> None:
        """An input was deleted, and with it what could be folded again: what it did is written
        before this worker goes.
        """
        open_ = [held for held in self._held.values() if held.is_open]
        await settle(open_)
        await asyncio.gather(*(drain(held, self._stage, self._commit) for held in open_))
        self._fatal(error)

    def _from_reader(self, error: BaseException) -> None:
        if isinstance(error, TopicError):
            asyncio.run_coroutine_threadsafe(self._leave(error), self._loop)
        else:
            self._fatal(error)


def _with_exit_code(error: Exception, slot: Slot) -> Exception:
    """What a store, a state in it or Kafka says, as the error that tells a supervisor the same."""
    if isinstance(error, StoreError):
        return DiskError(str(error))
    if isinstance(error, KafkaException):
        return LaneError(f"a log that {slot} needs could not be read: {error}")
    if isinstance(error, UnknownFormatError):
        return StateError(f"{slot}: {error}: start one that reads it")
    return error
