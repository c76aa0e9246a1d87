"""What every ClickHouse must give back of a backup, however its rows were taken."""

import itertools
import shutil
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

import pytest

from infra.backup import blocks
from infra.backup.manifest import Archive
from infra.backup.place import Place
from infra.backup.problems import ArchiveError, DamagedError
from infra.backup.sealing import UNSEALED, Key
from infra.backup.tables.restore import Brought, Kept, restore
from infra.backup.tables.save import save
from infra.backup.tables.server import Target
from infra.backup.tables.verify import verify
from infra.clickhouse import migrate
from streams.stages.archive.tables import TABLES
from tests.streams import archive_records as records
from tests.streams.records import FakeRecord
from tests.streams.valid_cases import FIRST

DAY_MS = 86_400_000
VIEWS = ("events_per_minute", "recommendations_per_minute", "items", "click_through",
         "valid_recommendations", "ownership")  # fmt: skip
SEALS = {"one": Key(bytes(range(32))).seal("one"), "two": UNSEALED}


class Database(Protocol):
    now_ms: int

    def execute(self, sql: str) -> Sequence[Sequence[object]]: ...

    def archive(self, batch: Sequence[FakeRecord], region: str = "east") -> None: ...

    def target(self, *, with_disk: bool) -> AbstractContextManager[Target]: ...


class ArchiveBackupContract:
    """`empty` and `other_empty` are databases of one server without tables; `snapshot` is the way
    that it takes where its disk is given.
    """

    snapshot = ""

    @pytest.fixture
    def database(self, empty: Database) -> Database:
        migrate.apply(empty.execute)
        return empty

    @pytest.fixture
    def other(self, other_empty: Database) -> Database:
        migrate.apply(other_empty.execute)
        return other_empty

    @pytest.fixture
    def place(self, tmp_path: Path) -> Place:
        return Place(str(tmp_path / "kept"))

    @pytest.fixture(params=["rows", "snapshot"])
    def way(self, request: pytest.FixtureRequest) -> str:
        return request.param

    def saved(
        self, database: Database, place: Place, way: str, kept: Archive | None = None
    ) -> Archive:
        id_ = "two" if kept else "one"
        with database.target(with_disk=way == "snapshot") as target:
            made = save(target, place, id_, SEALS[id_], kept)
        verify(Kept(place, SEALS), made)
        return made

    def brought(
        self,
        database: Database,
        place: Place,
        made: Archive,
        way: str,
        erased: Sequence[tuple[bytes, int]] = (),
    ) -> Brought:
        with database.target(with_disk=way == "snapshot") as target:
            return restore(target, Kept(place, SEALS), made, erased)

    def test_a_wiped_archive_has_every_row_again_once(
        self, database: Database, other: Database, place: Place, way: str
    ) -> None:
        fill(database)
        made = self.saved(database, place, way)
        assert {part.way for part in made.parts} == {self.snapshot if way == "snapshot" else "rows"}
        before = seen(database)
        assert {part.table for part in made.parts} == set(TABLES.values())
        done = self.brought(other, place, made, way)
        assert (done.read, done.sent, done.here, done.erased) == (made.rows, made.rows, 0, 0)
        assert seen(other) == before
        again = self.brought(other, place, made, way)
        assert (again.sent, again.here) == (0, made.rows)
        # What is here already and what the log brings once more count once.
        assert self.brought(database, place, made, way).sent == 0
        fill(other, database.now_ms)
        assert seen(other) == before

    def test_an_incremental_one_holds_the_days_that_changed(
        self, database: Database, other: Database, place: Place, way: str
    ) -> None:
        fill(database)
        full = self.saved(database, place, way)
        fill(database)  # the same once more, and a merge
        database.execute("OPTIMIZE TABLE user_events FINAL")
        now_ms = database.now_ms
        database.archive([records.event(now_ms, event_id="new", kind="view")])
        made = self.saved(database, place, way, full)
        own = [part for part in made.parts if part.kept_in == "two"]
        assert [part.table for part in own] == ["user_events"]
        assert made.rows == full.rows + 1
        assert self.brought(other, place, made, way).sent == made.rows
        assert seen(other) == seen(database)

    def test_a_row_that_is_newer_here_stays(self, database: Database, place: Place) -> None:
        now_ms = database.now_ms
        database.archive([records.event(now_ms, item_id="old")])
        made = self.saved(database, place, "rows")
        database.archive([records.event(now_ms + 1, item_id="new")])
        self.brought(database, place, made, "rows")
        assert [[str(item)] for (item,) in database.execute(
            "SELECT item_id FROM user_events FINAL")] == [["new"]]  # fmt: skip

    @pytest.mark.parametrize("known_by", ["backup", "archive", "states"])
    def test_what_a_user_did_before_he_was_erased_stays_out(
        self, database: Database, other: Database, place: Place, known_by: str
    ) -> None:
        fill(database)
        now_ms = database.now_ms
        later = records.event(now_ms + 9, event_id="later", at_ms=now_ms + 9)
        of_another = records.event(now_ms, event_id="another", user_id="lee")
        database.archive([later, of_another])
        erasure = records.event(now_ms + 5, event_id="erase", kind="erase", item_id=None)
        if known_by == "backup":
            database.archive([erasure])
        made = self.saved(database, place, "rows")
        if known_by == "archive":
            other.archive([erasure])
        states = [(b"kim", now_ms + 5)] if known_by == "states" else []
        done = self.brought(other, place, made, "rows", states)
        assert done.erased
        found = {str(event) for (event,) in other.execute(
            "SELECT event_id FROM user_events FINAL")}  # fmt: skip
        assert found == {"later", "another"} | ({"erase"} if known_by != "states" else set())
        for table, user in (("recommendations", "user_id"), ("state_digests", "users.user_id")):
            rows = other.execute(f"SELECT {user} FROM {table} FINAL")
            assert "kim" not in str(rows)
        assert other.execute("SELECT count() FROM item_updates FINAL")[0][0] in (1, "1")

    def test_a_snapshot_leaves_nothing_on_the_servers_disk(
        self, database: Database, other: Database, place: Place
    ) -> None:
        fill(database)
        made = self.saved(database, place, "snapshot")
        self.brought(other, place, made, "snapshot")
        with database.target(with_disk=True) as target:
            assert not snapshots(target)
        for tables in (database.execute("SHOW TABLES"), other.execute("SHOW TABLES")):
            assert "scratch" not in str(tables)

    def test_a_snapshot_goes_back_only_where_the_disk_is(
        self, database: Database, other: Database, place: Place, tmp_path: Path
    ) -> None:
        fill(database)
        made = self.saved(database, place, "snapshot")
        with pytest.raises(ArchiveError, match="TIDEMILL_CLICKHOUSE_DISK"):
            self.brought(other, place, made, "rows")
        with (
            database.target(with_disk=False) as target,
            pytest.raises(ArchiveError, match="is no folder here"),
        ):
            save(Target(target.server, tmp_path / "none"), place, "two", UNSEALED, None)
        (tmp_path / "another").mkdir()
        with (
            database.target(with_disk=False) as target,
            pytest.raises(ArchiveError, match="TIDEMILL_CLICKHOUSE_DISK names"),
        ):
            save(Target(target.server, tmp_path / "another"), place, "two", UNSEALED, None)
        with database.target(with_disk=True) as target:
            for left in snapshots(target):
                shutil.rmtree(left)

    def test_a_flipped_byte_is_refused(
        self, database: Database, place: Place, tmp_path: Path
    ) -> None:
        fill(database)
        made = self.saved(database, place, "rows")
        file = tmp_path / "kept" / "one" / made.parts[0].file.name
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 1
        file.write_bytes(content)
        with pytest.raises(DamagedError, match=r"offset \d+"):
            verify(Kept(place, SEALS), made)
        with pytest.raises(DamagedError):
            blocks.check(place, "one", made.parts[0].file)


def snapshots(target: Target) -> list[Path]:
    """What the server's disk has of them."""
    assert target.disk
    return [*target.disk.glob("shadow/tidemill*"), *target.disk.glob("backups/tidemill*")]


def fill(database: Database, at_ms: int | None = None) -> None:
    """A record of every topic, events of two days, letters that are no text."""
    now_ms = at_ms or database.now_ms
    database.archive([records.owned(FIRST)])
    for record in records.one_of_each(now_ms).values():
        database.archive([record])
    days = itertools.product(range(2), range(3))
    database.archive(
        [records.event(now_ms - day * DAY_MS, event_id=f"e-{day}-{n}") for day, n in days]
    )
    database.archive([records.letter(now_ms - n) for n in range(3)])


def seen(database: Database) -> dict[str, list[str]]:
    """What readers see of each table and view, in no order."""
    return {
        name: sorted(map(str, database.execute(f"SELECT * FROM {name}{final}")))
        for names, final in ((TABLES.values(), " FINAL"), (VIEWS, ""))
        for name in names
    }
