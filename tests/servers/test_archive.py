"""The archive stage against a real ClickHouse: rows, outages, and rows that it will not take."""

import asyncio
import logging
from collections.abc import Iterator, Sequence

import pytest

from infra.clickhouse import migrate
from streams import metrics
from streams.lane.contract import Batch, Outcome, Record, Run, Slot
from streams.lane.errors import StageError
from streams.stages.archive import Archive, inserts
from streams.stages.archive.inserts import Inserts
from streams.stages.archive.rows import Block, rows_of
from streams.stages.archive.tables import TABLES
from tests.servers.archive_database import OnServer, a_database
from tests.streams import archive_records as records
from tests.streams.records import FakeRecord
from tests.streams.waiting import until

SLOT = Slot("user-events", 0)
STAGE_LOG = "streams.stages.archive.stage"


@pytest.fixture
def database(clickhouse) -> Iterator[OnServer]:
    with a_database(clickhouse) as database:
        migrate.apply(database.execute)
        yield database


def events(database: OnServer, count: int, slot: Slot = SLOT) -> Batch:
    batch = [
        records.event(database.now_ms, event_id=f"event-{slot.partition}-{number}")
        for number in range(count)
    ]
    return batch_of(slot, *batch)


def batch_of(slot: Slot, *read: Record) -> Batch:
    return Batch(slot, [Run(slot.topic, read)], {}, {})


class Attempts(Inserts):
    """Counts how often a block was sent."""

    count = 0

    def insert(self, block: Block) -> None:
        self.count += 1
        super().insert(block)


async def waits(archive: Archive, batch: Batch) -> asyncio.Task[Outcome]:
    """A task that processes the batch, once it has met that ClickHouse is away."""
    task = asyncio.create_task(archive.process(batch))
    await until(lambda: task.done() or batch.slot in archive._outage._waiting)
    assert not task.done(), task
    return task


async def archived(database: OnServer, batches: Sequence[Batch]) -> list[Outcome]:
    archive = Archive(database.settings)
    await archive.start()
    try:
        return [await archive.process(batch) for batch in batches]
    finally:
        await archive.stop()


def test_a_record_of_every_topic_becomes_a_row_and_nothing_is_produced(database) -> None:
    slots = [
        batch_of(Slot(topic.name, 0), record)
        for topic, record in records.one_of_each(database.now_ms).items()
    ]
    assert asyncio.run(archived(database, slots)) == [Outcome()] * len(slots)
    for table in TABLES.values():
        assert database.execute(f"SELECT count() FROM {table}") == [(1,)], table


def test_what_cannot_be_read_is_counted_and_its_neighbours_are_archived(database) -> None:
    before = metrics.ARCHIVE_SKIPPED.labels("user-events", "not_json")._value.get()
    batch = events(database, 3)
    broken = batch_of(SLOT, *batch.records, FakeRecord(b"?", timestamp_ms=database.now_ms))
    asyncio.run(archived(database, [broken]))
    assert database.execute("SELECT count() FROM user_events") == [(3,)]
    after = metrics.ARCHIVE_SKIPPED.labels("user-events", "not_json")._value.get()
    assert after == before + 1


def test_while_clickhouse_is_away_batches_wait_and_then_every_row_is_there_once(
    clickhouse, database, caplog
) -> None:
    caplog.set_level(logging.INFO, STAGE_LOG)

    async def outage() -> None:
        archive = Archive(database.settings)
        archive._inserts = attempts = Attempts(database.settings)
        clickhouse.stop()
        try:
            waiting = [
                await waits(archive, events(database, 50, Slot("user-events", partition)))
                for partition in range(3)
            ]
            await until(lambda: attempts.count >= 10)
            assert not any(task.done() for task in waiting)
        finally:
            await asyncio.to_thread(clickhouse.start)
        assert await asyncio.gather(*waiting) == [Outcome()] * 3
        await archive.stop()

    asyncio.run(outage())
    assert database.execute("SELECT count() FROM user_events") == [(150,)]
    said = [record.message for record in caplog.records if record.name == STAGE_LOG]
    assert [line for line in said if "waits" in line] == said[:1]
    assert [line for line in said if "again after" in line] == said[-1:]
    assert metrics.ARCHIVE_WAITING._value.get() == 0


def test_a_server_killed_in_between_loses_and_doubles_nothing(clickhouse, database) -> None:
    slots = [Slot("user-events", partition) for partition in range(4)]
    settings = database.settings.model_copy(update={"archive_block_rows": 50})

    async def killed() -> None:
        archive = Archive(settings)
        batches = [events(database, 4_000, slot) for slot in slots]
        archived = metrics.ARCHIVED_ROWS.labels("user_events")._value
        before = archived.get()
        tasks = [asyncio.create_task(archive.process(batch)) for batch in batches]
        await until(lambda: archived.get() >= before + 1_000)
        await asyncio.to_thread(clickhouse.kill)
        assert not all(task.done() for task in tasks)
        await asyncio.to_thread(clickhouse.start)
        await asyncio.gather(*tasks)
        # The same batches once more, as after a crash before the commit.
        await asyncio.gather(*(archive.process(batch) for batch in batches))
        await archive.stop()

    asyncio.run(killed())
    assert database.execute("SELECT count() FROM user_events FINAL") == [(16_000,)]
    assert database.execute("SELECT uniqExact(event_id) FROM user_events") == [(16_000,)]


def test_a_server_that_answers_nothing_is_as_good_as_away(
    clickhouse, database, monkeypatch
) -> None:
    monkeypatch.setattr(inserts, "_TIMEOUT_S", 1)

    async def frozen() -> None:
        archive = Archive(database.settings)
        clickhouse.pause()
        try:
            task = await waits(archive, events(database, 20))
        finally:
            clickhouse.resume()
        await task
        await archive.stop()

    asyncio.run(frozen())
    assert database.execute("SELECT uniqExact(event_id) FROM user_events") == [(20,)]


def test_without_tables_it_waits_for_the_migration(clickhouse) -> None:
    with a_database(clickhouse) as database:

        async def migrated_late() -> None:
            archive = Archive(database.settings)
            task = await waits(archive, events(database, 5))
            await asyncio.to_thread(migrate.apply, database.execute)
            await task
            await archive.stop()

        asyncio.run(migrated_late())
        assert database.execute("SELECT count() FROM user_events") == [(5,)]


def test_waiting_ends_with_its_task(clickhouse) -> None:
    with a_database(clickhouse) as database:

        async def cancelled() -> None:
            archive = Archive(database.settings)
            task = await waits(archive, events(database, 5))
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert metrics.ARCHIVE_WAITING._value.get() == 0
            await archive.stop()

        asyncio.run(cancelled())


def test_a_row_that_clickhouse_refuses_is_named_and_the_others_are_kept(database) -> None:
    # The table was changed by hand: it takes numbers where the stage has words.
    database.execute("ALTER TABLE experiments MODIFY COLUMN surface Array(UInt8)")
    good = records.event(database.now_ms)
    bad = records.experiment(database.now_ms, topic="east.experiments")
    bad._partition, bad._offset = 2, 77
    with pytest.raises(StageError) as refused:
        asyncio.run(archived(database, [batch_of(Slot("experiments", 2), good, bad)]))
    assert "east.experiments, partition 2, offset 77" in str(refused.value)
    assert "table experiments" in str(refused.value)
    assert database.execute("SELECT count() FROM user_events") == [(1,)]


def test_one_bad_row_is_found_among_many(database) -> None:
    batch = list(events(database, 1_000).records)
    (block,) = rows_of(batch, "east", 5_000).blocks
    block.rows[613] = block.rows[613]._replace(slate_limit=999)
    batch[613]._offset = 613
    with pytest.raises(StageError, match="offset 613,"):
        database._inserts.insert(block)
    assert database.execute("SELECT uniqExact(event_id) FROM user_events")[0][0] >= 613
