"""A slot that this worker holds: what waits for it, and what is in flight.

All fields belong to the event loop's thread, but for `deliver`, which the reader's thread calls.
"""

import asyncio
import time
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from confluent_kafka import Message

from streams.lane.contract import Batch, Run, Slot, StageWait, Wait
from streams.lane.figures import SILENT_S, Figures


@dataclass(eq=False)
class Held:
    slot: Slot
    figures: Figures
    opening: asyncio.Task[None] | None = None
    is_open: bool = False
    offered: Batch | None = None
    """The batch that is on its way through Faust or being processed."""
    offered_at: float = 0.0
    moved_at: float = 0.0
    """When that batch was offered, or grew last."""
    paced: asyncio.TimerHandle | None = None
    """Makes the next batch when its time has come."""
    running_batch: Batch | None = None
    """The last one that came out of Faust."""
    running: asyncio.Task[None] | None = None
    """What processes and commits it."""
    is_processing: bool = False
    """Whether that is at the stage's part still, and may be cancelled."""
    processed: Mapping[str, int] = field(default_factory=dict)
    """Topic -> the offset behind the last commit. Replaced, never changed."""
    wake: asyncio.Future[None] | None = None
    """Awaited by a batch to which more records are to come."""
    _starved_at: Mapping[str, int] | None = None
    _starved_since: float = 0.0
    _runs: deque[Run] = field(default_factory=deque)
    _delivered: int = 0
    """Only the reader counts here, and only the loop below: neither needs a lock."""
    _taken: int = 0

    def deliver(self, topic: str, records: Sequence[Message]) -> None:
        self._runs.append(Run(topic, records))
        self._delivered += len(records)

    @property
    def is_idle(self) -> bool:
        return self.offered is None and not self._runs

    def wait(
        self, stage_waits: StageWait | None, behind: int, now: float
    ) -> tuple[Wait | None, float]:
        """For what an open slot waits that is `behind` by so many records, and since when. Asked
        about once a second.
        """
        if not behind or not self.is_idle or self.processed is not self._starved_at:
            self._starved_at, self._starved_since = self.processed, now
        is_silent = self.offered is not None and now - self.moved_at > SILENT_S
        if is_silent and (self._step != "stage" or stage_waits is None):
            return self._step, self.moved_at
        if stage_waits is not None:
            return stage_waits, self.moved_at if is_silent else now
        if now - self._starved_since > SILENT_S:
            return "records", self._starved_since
        return None, now

    @property
    def _step(self) -> Wait:
        """Where the batch in flight is."""
        if self.running_batch is not self.offered:
            return "agent"
        return "stage" if self.is_processing else "commit"

    @property
    def waiting(self) -> int:
        """Records that wait for their batch."""
        return self._delivered - self._taken

    def take(self, at_most: int, *, of_one: bool = False) -> list[Run]:
        """What waits, whole runs where they fit; `of_one`: the first of them only."""
        taken: list[Run] = []
        room = at_most
        while self._runs and room > 0 and not (of_one and taken):
            run = self._runs.popleft()
            if len(run.records) > room:
                self._runs.appendleft(Run(run.topic, run.records[room:]))
                run = Run(run.topic, run.records[:room])
            taken.append(run)
            room -= len(run.records)
        self._taken += at_most - room
        return taken

    async def more(self, at_most: int, wait_s: float) -> Run | None:
        """What waits by now, or comes in so many seconds."""
        if at_most > 0 and wait_s > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._come()
            self.wake = None
        if not self.is_open or not (runs := self.take(at_most, of_one=True)):
            return None
        self.moved_at = time.monotonic()
        return runs[0]

    async def _come(self) -> None:
        """Woken once for each delivery, and several may have been taken at the first."""
        while self.is_open and not self._runs:
            self.wake = asyncio.get_running_loop().create_future()
            # The reader looks for `wake` after it has delivered, so none is overlooked.
            if not self._runs:
                await self.wake

    def woken(self) -> None:
        """In the event loop's thread: records came, or none will."""
        if self.wake is not None and not self.wake.done():
            self.wake.set_result(None)

    def clear(self) -> None:
        self._runs.clear()
        self._taken = self._delivered
        self.woken()
