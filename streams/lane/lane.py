"""A worker's slots, from assigned to given up, and the batch that each has in flight.

Threads: the group's member, the reader, a pool that opens, a pool that commits. Everything else
runs in the event loop's thread, and the fields of a slot are only changed there, but for the
records that the reader appends. What goes wrong anywhere ends the worker by `fatal`.
"""

import asyncio
import logging
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field

from confluent_kafka import Message

from streams import metrics
from streams.lane.checkpoint import Checkpoint
from streams.lane.contract import Batch, Outcome, Slot, Stage
from streams.lane.errors import Fatal, LaneError, StageError
from streams.lane.member import Member
from streams.lane.offsets import OffsetCheckpoint
from streams.lane.opening import open_slot
from streams.lane.reader import Reader
from streams.settings import Settings

log = logging.getLogger(__name__)

_THREADS = 4
_GRACE_S = 5.0
"""For a batch in hand when its slot is given up; a stage may wait much longer for its server."""
_REPORT_S = 1.0


@dataclass(eq=False)
class _Held:
    """A slot that this worker holds."""

    slot: Slot
    waiting: deque[Message] = field(default_factory=deque)
    opening: asyncio.Task[None] | None = None
    is_open: bool = False
    offered: Batch | None = None
    """The batch that is on its way through Faust or being processed."""
    running: asyncio.Task[None] | None = None
    """What processes and commits it."""
    processing: asyncio.Future[Outcome] | None = None
    """The stage's part of that."""
    processed: dict[tuple[str, int], int] = field(default_factory=dict)
    """The offset behind the last commit, of each (topic, partition) read for the slot."""


class Lane:
    """Runs one stage. `batches` is what Faust's consumer hands to the agent, which calls `run`."""

    def __init__(
        self,
        stage: Stage,
        stage_name: str,
        checkpoint: Checkpoint,
        feeds: Callable[[str], Sequence[str]],
        partition_counts: Callable[[Sequence[str]], Mapping[str, int]],
        settings: Settings,
        fatal: Fatal,
    ) -> None:
        """`feeds` gives, for a topic of the group, all topics whose same partition is read;
        `partition_counts` checks the topics of the group and counts their partitions.
        """
        self._stage = stage
        self._name = stage_name
        self._checkpoint = checkpoint
        self._feeds = feeds
        self._partition_counts = partition_counts
        self._settings = settings
        self._fatal = fatal
        self._held: dict[Slot, _Held] = {}
        self._opening = ThreadPoolExecutor(_THREADS, "lane-open")
        self._committing = ThreadPoolExecutor(_THREADS, "lane-commit")
        self._member: Member | None = None
        self.batches: asyncio.Queue[Batch] = asyncio.Queue()

    async def start(self, group: str, topics: Sequence[str]) -> Mapping[str, int]:
        """Make the stage ready and join the group; returns how many partitions each topic has."""
        self._loop = asyncio.get_running_loop()
        try:
            counts = await asyncio.to_thread(self._partition_counts, topics)
            await self._stage.start()
            self.reader = Reader(self._settings, self, self._fatal)
            self._member = Member(self._settings, group, topics, self, self._fatal)
        except Exception as error:
            self._fatal(error)
            raise
        if isinstance(self._checkpoint, OffsetCheckpoint):
            self._checkpoint.commit_offsets = self._member.commit
        self.reader.start()
        self._member.start()
        self._reporting = asyncio.create_task(self._report_lag())
        return counts

    async def stop(self) -> None:
        """Finish what is in flight, give all slots up, leave the group."""
        if self._member is not None:
            await self._close(list(self._held), lost=False)
            self._member.stop()
            await asyncio.to_thread(self._member.join)
            self.reader.stop()
            await asyncio.to_thread(self.reader.join)
            self._reporting.cancel()
            await self._stage.stop()
        self._opening.shutdown()
        self._committing.shutdown()

    # Told by the member's thread.

    def assigned(self, slots: Sequence[Slot]) -> None:
        self._loop.call_soon_threadsafe(self._assigned, slots)

    def revoked(self, slots: Sequence[Slot], *, lost: bool) -> Future[None]:
        return asyncio.run_coroutine_threadsafe(self._close(slots, lost=lost), self._loop)

    # Told by the reader's thread.

    def deliver(self, slot: Slot, records: list[Message]) -> None:
        held = self._held.get(slot)
        if held is None:
            return
        held.waiting.extend(records)
        # The loop looks at `waiting` after it has cleared `offered`, so none is overlooked.
        if held.offered is None:
            self._loop.call_soon_threadsafe(self._offer, held)

    def waiting(self) -> Mapping[Slot, int]:
        return {slot: len(held.waiting) for slot, held in tuple(self._held.items())}

    # In the event loop's thread.

    def _assigned(self, slots: Sequence[Slot]) -> None:
        log.info("assigned %s", ", ".join(map(str, slots)) or "nothing")
        for slot in slots:
            held = self._held[slot] = _Held(slot)
            held.opening = asyncio.create_task(self._open(held))

    async def _open(self, held: _Held) -> None:
        slot, began = held.slot, time.monotonic()
        try:
            feeds = await self._loop.run_in_executor(
                self._opening,
                open_slot,
                slot, self._feeds(slot.topic), self._checkpoint, self._stage, self._settings,
            )  # fmt: skip
            if self._held.get(slot) is held:
                held.is_open = True
                held.processed = {(feed.topic, feed.partition): feed.offset for feed in feeds}
                await asyncio.wrap_future(self.reader.add(slot, feeds))
        except Exception as error:  # noqa: BLE001
            self._fatal(error)
        else:
            log.info("%s is open after %.1f s", slot, time.monotonic() - began)

    def _offer(self, held: _Held) -> None:
        """Make a batch of what waits, unless one is under way."""
        if held.offered is not None or not held.is_open or not held.waiting:
            return
        size = min(len(held.waiting), self._settings.batch_records)
        records = [held.waiting.popleft() for _ in range(size)]
        held.offered = Batch(held.slot, records)
        self.batches.put_nowait(held.offered)

    def run(self, batch: Batch) -> None:
        """Process and commit a batch beside those of other slots."""
        held = self._held.get(batch.slot)
        if held is None or held.offered is not batch:
            return  # given up since; whoever holds the slot now reads these records again
        held.running = asyncio.create_task(self._run(held, batch))

    async def _run(self, held: _Held, batch: Batch) -> None:
        held.processing = asyncio.ensure_future(self._stage.process(batch))
        try:
            outcome = await held.processing
        except asyncio.CancelledError:
            if held.is_open:
                raise
            return  # given up before anything was committed; its next holder reads it again
        except LaneError as error:
            self._fatal(error)
            return
        except Exception as error:  # noqa: BLE001
            first = batch.records[0]
            where = f"{first.topic()}-{first.partition()} from offset {first.offset()}"
            wrapped = StageError(f"{self._name} failed on {len(batch.records)} records of {where}")
            wrapped.__cause__ = error
            self._fatal(wrapped)
            return
        behind: dict[tuple[str, int], int] = {}
        counts: Counter[tuple[str, int]] = Counter()
        for record in batch.records:
            feed = record.topic(), record.partition()
            behind[feed] = record.offset() + 1
            counts[feed] += 1
        began = time.monotonic()
        try:
            await self._loop.run_in_executor(
                self._committing, self._checkpoint.commit, batch.slot, behind, outcome
            )
        except Exception as error:  # noqa: BLE001
            self._fatal(error)
            return
        held.processed |= behind
        for (topic, partition), records in counts.items():
            metrics.EVENTS.labels(self._name, topic, str(partition)).inc(records)
        metrics.COMMIT_SECONDS.labels(self._name).observe(time.monotonic() - began)
        metrics.BATCH_RECORDS.labels(self._name).observe(len(batch.records))
        self._stage.committed(batch, outcome)
        held.offered = None
        self._offer(held)

    async def _close(self, slots: Sequence[Slot], *, lost: bool) -> None:
        """Give slots up: nothing new, what is in flight to its end, then let go."""
        closing = [held for slot in slots if (held := self._held.pop(slot, None)) is not None]
        for held in closing:
            held.is_open = False
            held.waiting.clear()
        await asyncio.gather(*(held.opening for held in closing if held.opening is not None))
        removals = (self.reader.remove(held.slot) for held in closing)
        await asyncio.gather(*(asyncio.wrap_future(removal) for removal in removals))
        await self._settle(closing)
        for held in closing:
            self._checkpoint.close(held.slot)
            self._stage.close(held.slot)
            for topic, partition in held.processed:
                with suppress(KeyError):
                    metrics.LAG.remove(self._name, topic, str(partition))
            log.info("%s is given up%s", held.slot, " (lost)" if lost else "")

    async def _settle(self, closing: Sequence[_Held]) -> None:
        """Wait for what is in flight, but not for a stage that itself waits for somebody: a
        batch that is not being committed yet can be dropped at no loss.
        """
        running = [held.running for held in closing if held.running is not None]
        if running:
            await asyncio.wait(running, timeout=_GRACE_S)
        for held in closing:
            if held.processing is not None:
                held.processing.cancel()  # changes nothing where it is done
        await asyncio.gather(*running)

    async def _report_lag(self) -> None:
        while True:
            await asyncio.sleep(_REPORT_S)
            for held in self._held.values():
                is_idle = not held.waiting and held.offered is None
                for feed, processed in held.processed.items():
                    # Read to the end and nothing in hand: what may follow are markers.
                    at = self.reader.positions.get(feed, processed) if is_idle else processed
                    behind = max(0, self.reader.ends.get(feed, 0) - at)
                    metrics.LAG.labels(self._name, feed[0], str(feed[1])).set(behind)
