"""The archive stage: a batch's records to ClickHouse, then the lane commits their offsets.

It answers with an empty outcome once the server has every row, so what is committed is archived.
A crash before the commit sends rows again; they replace themselves. While ClickHouse is away a
batch waits here, and with it the slot: the lane reads no more of it, so memory stays bounded and
the recommendations, which other workers make, go on. It never drops a row to get on.
"""

import asyncio
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from streams import metrics
from streams.lane.contract import Batch, Offsets, Outcome, Slot, StageWait, Stateless
from streams.settings import Settings
from streams.stages.archive.inserts import AwayError, Inserts
from streams.stages.archive.rows import Block, Rows, rows_of
from streams.stages.archive.tables import TABLES

log = logging.getLogger(__name__)

_THREADS = 4
"""Blocks on their way at a time, a connection each. More only make ClickHouse's parts smaller."""
_FIRST_WAIT_S = 0.2
_LONGEST_WAIT_S = 10.0
"""Between two attempts; how late the archive may notice that the server is back."""


class Archive(Stateless):
    """One instance a worker. Waiting is cancelled with the task that waits, at no loss."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._inserts = Inserts(settings)
        self._pool = ThreadPoolExecutor(_THREADS, "archive")
        self._outage = _Outage(settings.filled_clickhouse)
        self.sink = self._inserts.disk

    async def start(self) -> None:
        """ClickHouse need not be there yet; where it is, its disk says which positions count."""
        with suppress(AwayError):
            await asyncio.get_running_loop().run_in_executor(self._pool, self._inserts.look)

    async def stop(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def process(self, batch: Batch) -> Outcome:
        """Returns when ClickHouse has every row; raises StageError for one that it refuses."""
        loop = asyncio.get_running_loop()
        rows = await loop.run_in_executor(self._pool, self._rows, batch)
        for block in rows.blocks:
            await self._insert(batch.slot, block)
            metrics.ARCHIVED_ROWS.labels(TABLES[block.kind]).inc(len(block.rows))
        for (topic, reason), count in rows.skipped.items():
            metrics.ARCHIVE_SKIPPED.labels(topic, reason).inc(count)
        return Outcome()

    def committed(self, batch: Batch, outcome: Outcome) -> None:
        """Rows are counted when they are in."""

    def report(self, slot: Slot, behind: Offsets) -> StageWait | None:  # noqa: ARG002
        return "clickhouse" if self._outage.is_met_by(slot) else None

    def _rows(self, batch: Batch) -> Rows:
        return rows_of(batch.records, self._settings.region, self._settings.archive_block_rows)

    async def _insert(self, slot: Slot, block: Block) -> None:
        """The same rows in the same order until they are in."""
        loop, wait_s = asyncio.get_running_loop(), _FIRST_WAIT_S
        try:
            while True:
                try:
                    await loop.run_in_executor(self._pool, self._inserts.insert, block)
                except AwayError as away:
                    self._outage.met(slot, away)
                else:
                    self._outage.over(slot)
                    return
                await asyncio.sleep(wait_s)
                wait_s = min(2 * wait_s, _LONGEST_WAIT_S)
        finally:
            self._outage.leave(slot)


class _Outage:
    """Says once that ClickHouse is away, however many slots meet it how often, and once that it
    is back. Only touched in the event loop's thread.
    """

    def __init__(self, address: str) -> None:
        self._name = address
        self._waiting: set[Slot] = set()
        self._said: set[str] = set()
        self._began = 0.0

    def met(self, slot: Slot, away: AwayError) -> None:
        if not self._waiting:
            self._began, self._said = time.monotonic(), set()
        self._waiting.add(slot)
        metrics.ARCHIVE_WAITING.set(len(self._waiting))
        if away.kind not in self._said:
            self._said.add(away.kind)
            log.warning("ClickHouse at %s takes no rows; the archive waits: %s", self._name, away)

    def is_met_by(self, slot: Slot) -> bool:
        return slot in self._waiting

    def over(self, slot: Slot) -> None:
        """A block of the slot is in."""
        if self._waiting == {slot}:
            waited_s = time.monotonic() - self._began
            log.warning("ClickHouse at %s takes rows again after %.1f s", self._name, waited_s)
        self.leave(slot)

    def leave(self, slot: Slot) -> None:
        """The slot waits no longer, perhaps because it was given up."""
        if slot in self._waiting:
            self._waiting.remove(slot)
            metrics.ARCHIVE_WAITING.set(len(self._waiting))
