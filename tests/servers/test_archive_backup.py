"""Backups of the archive on Debian's ClickHouse: its rows, and its own FREEZE and ATTACH; and of a
region whose states and archive go and come together.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.backup.restore import opened, restore
from infra.backup.verify import verify
from infra.clickhouse import migrate
from infra.clickhouse.migrate import MigrationError
from schemas.state import UserState
from tests.infra.archive_backup_contract import ArchiveBackupContract, fill, seen
from tests.servers.archive_database import OnServer, a_database
from tests.servers.backups import Region, write_states
from tests.servers.conftest import RunningKafka
from tests.streams import archive_records as records
from tests.streams.user_states import NOW_MS, state_of


class TestOnDebiansClickHouse(ArchiveBackupContract):
    snapshot = "freeze"

    @pytest.fixture
    def empty(self, clickhouse) -> Iterator[OnServer]:
        with a_database(clickhouse) as database:
            yield database

    @pytest.fixture
    def other_empty(self, clickhouse) -> Iterator[OnServer]:
        with a_database(clickhouse) as database:
            yield database


@pytest.fixture
def database(clickhouse) -> Iterator[OnServer]:
    with a_database(clickhouse) as database:
        migrate.apply(database.execute)
        yield database


@pytest.fixture
def region(fresh_kafka: RunningKafka, database: OnServer, tmp_path: Path) -> Region:
    archive = {"clickhouse": database.settings.clickhouse, "clickhouse_database": database.name}
    made = Region(fresh_kafka.bootstrap, tmp_path, archive=archive)
    made.open()
    return made


def test_a_wiped_region_has_its_archive_again(region: Region, database: OnServer) -> None:
    fill(database)
    write_states(region.bootstrap, {"kim": state_of([("click", 1, NOW_MS)])})
    made = region.save()
    assert made.archive is not None
    assert made.archive_problem == ""
    assert verify(region.place, None, None)
    before = seen(database)
    region.wipe()
    database.execute(f"DROP DATABASE {database.name}")
    done = region.bring_back(wait_for_workers=False)
    assert done.archive is not None
    assert (done.states.sent, done.archive.sent) == (1, made.archive.rows)
    assert seen(database) == before


def test_rows_of_a_user_whom_the_states_know_as_erased_stay_out(
    region: Region, database: OnServer
) -> None:
    """He was erased behind the backup; the archive is lost, the changelog is not."""
    now_ms = database.now_ms
    database.archive([records.event(now_ms), records.event(now_ms, user_id="lee")])
    write_states(region.bootstrap, {"kim": state_of([("click", 1, NOW_MS)])})
    region.save()
    write_states(region.bootstrap, {"kim": UserState(erased_to_ms=now_ms + 1)})
    database.execute("TRUNCATE TABLE user_events")
    done = region.bring_back(wait_for_workers=False).archive
    assert done is not None
    assert (done.sent, done.erased) == (1, 1)
    assert database.execute("SELECT user_id FROM user_events") == [("lee",)]


def test_without_clickhouse_the_rest_is_saved_and_the_archive_is_that_of_before(
    region: Region, database: OnServer
) -> None:
    fill(database)
    write_states(region.bootstrap, {"kim": state_of([("click", 1, NOW_MS)])})
    first = region.save()
    there = region.archive
    region.archive = {"clickhouse": "127.0.0.1:1"}
    second = region.save()
    assert second.archive == first.archive
    assert second.archive_problem.startswith("ClickHouse at 127.0.0.1:1")
    kept = opened(region.place, second.id, None)
    with pytest.raises(MigrationError, match=r"127\.0\.0\.1:1"):
        restore(region.settings, region.home, kept)
    assert restore(region.settings, region.home, kept, archive=False).archive is None
    region.archive = there
    third = region.save()
    assert third.archive_problem == ""
    assert third.archive is not None
    assert third.archive.parts == first.archive.parts
