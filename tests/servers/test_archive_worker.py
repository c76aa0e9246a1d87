"""The archive worker between a real Kafka and a real ClickHouse: every record, whatever dies."""

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from infra.clickhouse import migrate
from infra.lag import behind
from schemas.topics import EXPERIMENTS, USER_EVENTS
from streams.lane.errors import OtherDiskError
from streams.settings import Settings
from streams.topology import ARCHIVE
from tests.servers.archive_database import OnServer, a_database
from tests.servers.conftest import PARTITIONS, REGION
from tests.servers.workers import Worker, event, produce, until
from tests.streams import archive_records as records


@pytest.fixture
def database(clickhouse) -> Iterator[OnServer]:
    with a_database(clickhouse) as database:
        migrate.apply(database.execute)
        yield database


@pytest.fixture
def worker(fresh_kafka, clickhouse, database, tmp_path: Path) -> Iterator[Worker]:
    settings = {
        "region": REGION,
        "kafka": fresh_kafka.bootstrap,
        "partitions": PARTITIONS,
        "clickhouse": clickhouse.address,
        "clickhouse_database": database.name,
    }
    worker = Worker("archive", tmp_path / "archive.log", settings)
    yield worker.start()
    worker.stop()


def click(bootstrap: str, first: int, count: int) -> None:
    """Clicks of forty users, acknowledged when this returns."""
    for user in range(40):
        name = f"user-{user}"
        mine = [
            event(f"event-{number}", user_id=name)
            for number in range(first + user, first + count, 40)
        ]
        produce(bootstrap, USER_EVENTS.name, *mine, key=name, partitioner="murmur2_random")


def holds(database: OnServer, events: int) -> Callable[[], bool]:
    """Whether so many different events are archived."""
    return lambda: database.execute("SELECT uniqExact(event_id) FROM user_events") == [(events,)]


def waits(worker: Worker) -> bool:
    return "the archive waits" in worker.log.read_text()


def test_every_event_is_archived_through_outages_and_deaths(
    fresh_kafka, clickhouse, database, worker
) -> None:
    produce(
        fresh_kafka.bootstrap,
        EXPERIMENTS.name,
        records.experiment(database.now_ms).value(),
        key="more-new",
    )
    click(fresh_kafka.bootstrap, 0, 1_000)
    until("the first thousand rows", holds(database, 1_000))

    clickhouse.stop()
    try:
        click(fresh_kafka.bootstrap, 1_000, 1_000)
        until("the archive's waiting", lambda: waits(worker))
    finally:
        clickhouse.start()
    until("the rows of the outage", holds(database, 2_000))

    click(fresh_kafka.bootstrap, 2_000, 3_000)
    worker.kill()
    worker.start()
    until("the rows behind the kill", holds(database, 5_000))

    assert database.execute("SELECT count() FROM user_events FINAL") == [(5_000,)]
    assert database.execute("SELECT sum(events) FROM events_per_minute") == [(5_000,)]
    assert database.execute("SELECT name FROM experiments FINAL") == [("more-new",)]


def test_a_worker_that_waits_for_clickhouse_can_be_stopped(
    fresh_kafka, clickhouse, database, worker
) -> None:
    clickhouse.stop()
    try:
        click(fresh_kafka.bootstrap, 0, 100)
        until("the archive's waiting", lambda: waits(worker))
        worker.signal(signal.SIGTERM)
        assert worker.wait() == 0
    finally:
        clickhouse.start()
    worker.start()
    until("every row", holds(database, 100))


def test_a_disk_made_anew_is_filled_from_the_start_of_the_topics(
    fresh_kafka, clickhouse, database, worker
) -> None:
    """The group's offsets outlived the rows: they are of another disk."""
    click(fresh_kafka.bootstrap, 0, 1_000)
    until("the first thousand rows", holds(database, 1_000))
    database.execute(f"DROP DATABASE {database.name}")
    migrate.migrate(clickhouse.address, "default", "", database.name)
    click(fresh_kafka.bootstrap, 1_000, 100)
    assert worker.wait() == OtherDiskError.exit_code
    assert "has another disk" in worker.log.read_text()
    worker.start()
    until("every row", holds(database, 1_100))
    settings = Settings(kafka=fresh_kafka.bootstrap, region=REGION, partitions=PARTITIONS)
    until("its offsets are of this disk", lambda: behind(ARCHIVE, settings) == 0)
    worker.kill()
    worker.start()
    click(fresh_kafka.bootstrap, 1_100, 100)
    until("what came behind", holds(database, 1_200))
    told = worker.log.read_bytes()[worker.log_start :]
    assert b"is read from its start" not in told
