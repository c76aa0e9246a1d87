"""The archive stage where there is no ClickHouse at all: it waits, says so once, and lets go."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from streams import metrics
from streams.lane.contract import Batch, Outcome, Record, Run, Slot
from streams.settings import Settings
from streams.stages.archive import Archive
from tests.streams import archive_records as records
from tests.streams.records import FakeRecord
from tests.streams.waiting import until

NOW_MS = 1_700_000_000_000
SLOT = Slot("user-events", 0)


def batch(record: Record) -> Batch:
    return Batch(SLOT, [Run(SLOT.topic, [record])], {}, {})


@asynccontextmanager
async def hangs_up() -> AsyncIterator[tuple[str, list[int]]]:
    """A server that closes every connection; its address, and a list that grows with each."""
    met: list[int] = []

    def meet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        met.append(1)
        writer.close()

    server = await asyncio.start_server(meet, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        yield f"127.0.0.1:{port}", met


def test_a_batch_without_rows_needs_no_server() -> None:
    async def process() -> Outcome:
        archive = Archive(Settings(clickhouse="127.0.0.1:1"))
        archive.open(SLOT, None)
        archive.replay(SLOT, SLOT.topic, [])
        outcome = await archive.process(batch(FakeRecord(b"?")))
        archive.close(SLOT)
        await archive.stop()
        return outcome

    assert asyncio.run(process()) == Outcome()


def test_a_server_that_hangs_up_is_asked_again_and_spoken_of_once(caplog) -> None:
    async def wait() -> None:
        async with hangs_up() as (address, met):
            archive = Archive(Settings(clickhouse=address))
            task = asyncio.create_task(archive.process(batch(records.event(NOW_MS))))
            await until(lambda: len(met) >= 6)
            assert metrics.ARCHIVE_WAITING._value.get() == 1
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert metrics.ARCHIVE_WAITING._value.get() == 0
            await archive.stop()

    with caplog.at_level(logging.WARNING):
        asyncio.run(wait())
    assert len(caplog.records) == 1
    assert "takes no rows; the archive waits" in caplog.records[0].message
