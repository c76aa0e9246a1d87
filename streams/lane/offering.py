"""When a slot gets its next batch, and which records are in it.

One batch of a slot is under way at a time; behind a commit the next is made of what waits, or of
nothing where the stage has something else to do. A worker's transactions are paced: with more
slots each gathers longer. Called by the lane in the event loop's thread.
"""

import asyncio
import functools
import time
from collections.abc import Callable, Mapping, Sequence

from streams.lane.contract import Batch, Run, Slot, Stage
from streams.lane.guard import Guard
from streams.lane.held import Held
from streams.lane.reader import Reader
from streams.settings import Settings

_BACKLOG = 5_000
"""Records of a slot still to be read, from which on a batch is worth waiting for."""
_GATHER_S = 2.0
_GATHER_RUN_S = 0.1
"""How long a batch of a backlog grows at most, and how long it waits for its next records."""


class Offering:
    def __init__(
        self,
        stage: Stage,
        reader: Reader,
        feeds: Callable[[str], Sequence[str]],
        settings: Settings,
        guard: Guard,
        *,
        transactional: bool,
    ) -> None:
        """`feeds` gives, for a topic of the group, all topics whose same partition is read."""
        self._stage = stage
        self._reader = reader
        self._feeds = feeds
        self._guard = guard
        self._pace_s = 1 / settings.transactions_per_s if transactional else 0.0
        # Without a transaction a stage holds a batch as rows besides: no more than a block of them.
        self._at_most = settings.batch_records if transactional else settings.archive_block_rows
        self.slots = 1
        """How many share the worker's transactions."""
        self.batches: asyncio.Queue[Batch] = asyncio.Queue()
        """What Faust's consumer hands to the agent."""

    def offer(self, held: Held) -> None:
        """Make a batch of what waits, unless one is under way or the last one was just now."""
        if held.offered is not None or not held.is_open or held.paced is not None:
            return
        early_s = held.offered_at + self._pace_s * self.slots - time.monotonic()
        if early_s > 0:
            loop = asyncio.get_running_loop()
            held.paced = loop.call_later(early_s, self._guard.call, self._on_time, held)
            return
        runs = held.take(self._at_most)
        behind: Mapping[str, int]
        if runs:
            behind = {**held.processed, **{run.topic: run.records[-1].offset() + 1 for run in runs}}
        else:
            behind = self.idle_position(held)
            if not self._stage.wants(held.slot, behind):
                return
        held.offered_at = held.moved_at = time.monotonic()
        next_run = functools.partial(self._next_run, held)
        held.offered = Batch(held.slot, runs, held.processed, behind, next_run)
        self.batches.put_nowait(held.offered)

    def idle_position(self, held: Held) -> Mapping[str, int]:
        """Behind the last record there may be markers of transactions, which nobody delivers."""
        reached = {
            topic: max(at, self._reader.positions.get((topic, held.slot.partition), at))
            for topic, at in held.processed.items()
        }
        # The reader moves its position after it delivered: look at the records second.
        return reached if held.is_idle else held.processed

    def _on_time(self, held: Held) -> None:
        held.paced = None
        self.offer(held)

    async def _next_run(self, held: Held, size: int) -> Run | None:
        """What joins a batch of so many records. Only in a backlog a batch waits for more: the
        larger it is, the fewer slates answer its asks.
        """
        left_s = held.offered_at + _GATHER_S - time.monotonic()
        may_wait = left_s > 0 and self._to_read(held.slot) > _BACKLOG
        wait_s = min(left_s, _GATHER_RUN_S) if may_wait else 0.0
        return await held.more(self._at_most - size, wait_s)

    def _to_read(self, slot: Slot) -> int:
        """Records that the reader has yet to read, as far as it knows."""
        ends, positions = self._reader.ends, self._reader.positions
        feeds = ((feed, slot.partition) for feed in self._feeds(slot.topic))
        return sum(max(0, ends.get(feed, 0) - positions.get(feed, 0)) for feed in feeds)
