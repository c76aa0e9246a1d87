"""What the archive's tables and views must do on every ClickHouse, old and new.

`ArchiveContract` is inherited once for each kind of server; `Database` is how a test reaches one.
"""

import itertools
import random
from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec
import pytest

from infra.clickhouse import files, migrate
from infra.clickhouse.training_set import Span, descriptions, read_shard
from schemas.codec import encode
from schemas.control import Ownership, PastEpoch
from schemas.recommendations import AnswerHeaders, Cause
from streams.region.valid import valid
from streams.stages.archive.disk import ID_SQL
from streams.stages.archive.rows import rows_of
from streams.stages.archive.tables import TABLES, columns
from tests.streams import archive_records as records
from tests.streams.records import FakeRecord
from tests.streams.valid_cases import CASES, DRAINING, EAST_2, FIRST, Case

DAY_MS = 86_400_000
COUNTS = (
    "SELECT kind, sum(events) FROM events_per_minute GROUP BY kind",
    """
    SELECT fallback, sum(recommendations) FROM recommendations_per_minute
    GROUP BY fallback ORDER BY fallback
    """,
)


class Database(Protocol):
    """An empty database of a server; all of it is gone after the test."""

    now_ms: int

    def execute(self, sql: str) -> Sequence[Sequence[object]]: ...
    def archive(self, batch: Sequence[FakeRecord], region: str = "east") -> None:
        """Rows of a batch, one insert for each of its tables."""


class BrokenOffError(Exception):
    """Stands for a kill between two statements."""


def killed_before(statement: int, execute: migrate.Execute) -> migrate.Execute:
    """Runs as many statements as are named here, then no more."""
    left = itertools.count(statement, -1)

    def run(sql: str) -> Sequence[Sequence[object]]:
        if next(left) == 0:
            raise BrokenOffError
        return execute(sql)

    return run


def described(execute: migrate.Execute) -> dict[str, list[tuple[object, ...]]]:
    """Every table and view with its columns' names, types and defaults."""
    names = [str(name) for (name,) in execute("SHOW TABLES") if not str(name).startswith(".")]
    return {
        name: [tuple(column[:4]) for column in execute(f"DESCRIBE TABLE {name}")] for name in names
    }


class ArchiveContract:
    """Fixtures `empty` (a Database) and `other_empty` come from the class that inherits this."""

    @pytest.fixture
    def database(self, empty: Database) -> Database:
        migrate.apply(empty.execute)
        return empty

    def test_migrating_again_does_nothing(self, empty: Database) -> None:
        first = migrate.apply(empty.execute)
        assert first[0] == "0001_tables.sql"
        assert migrate.apply(empty.execute) == []

    def test_a_migration_broken_off_anywhere_is_finished_by_the_next_run(
        self, empty: Database, other_empty: Database
    ) -> None:
        migrate.apply(other_empty.execute)
        whole = described(other_empty.execute)
        for statement in itertools.count():
            try:
                migrate.apply(killed_before(statement, empty.execute))
            except BrokenOffError:
                continue
            break
        assert statement > len(TABLES)
        assert described(empty.execute) == whole
        assert migrate.apply(empty.execute) == []

    def test_each_disk_has_an_id_of_its_own_and_keeps_it(
        self, database: Database, other_empty: Database
    ) -> None:
        ((mine,),) = database.execute(ID_SQL)
        assert len(str(mine)) == 36
        for statement in files.migrations()[-1].statements:
            database.execute(statement)
        assert database.execute(ID_SQL)[0][0] == mine
        migrate.apply(other_empty.execute)
        assert other_empty.execute(ID_SQL)[0][0] != mine

    def test_a_file_changed_after_it_was_applied_is_refused(self, database: Database) -> None:
        first = files.migrations()[0]
        changed = files.parse(first.name, "CREATE TABLE user_events (lost String)" + ";")
        with pytest.raises(migrate.MigrationError, match=r"0001_tables.sql was changed"):
            migrate.apply(database.execute, [changed])

    def test_the_tables_have_exactly_the_columns_that_the_stage_writes(
        self, database: Database
    ) -> None:
        for row, table in TABLES.items():
            described_columns = database.execute(f"DESCRIBE TABLE {table}")
            plain = [str(name) for name, _, default, *_ in described_columns if not default]
            assert tuple(plain) == columns(row), table

    def test_a_row_of_every_table_comes_back_once(self, database: Database) -> None:
        batch = list(records.one_of_each(database.now_ms).values())
        database.archive(batch)
        database.archive(batch)
        for table in TABLES.values():
            assert database.execute(f"SELECT count() FROM {table} FINAL")[0][0] == 1, table
        (slate,) = database.execute(
            "SELECT toString(items.item_id), toString(items.because), toString(arms.name),"
            " toUInt32(issued_at), epoch FROM recommendations FINAL"
        )
        assert tuple(slate) == (
            "['item-1','item-2']", "['item-0','']", "['control']", database.now_ms // 1000, 16,
        )  # fmt: skip

    def test_bytes_that_are_no_text_are_kept(self, database: Database) -> None:
        database.archive([records.letter(database.now_ms), records.letter(database.now_ms, None)])
        rows = database.execute(
            "SELECT hex(assumeNotNull(key)), hex(assumeNotNull(value)), isNull(value),"
            " hex(arrayElement(headers.value, 1)) FROM dead_letters ORDER BY isNull(value)"
        )
        first, null = (tuple(row) for row in rows)
        assert first == ("C328", records.NOT_UTF8.hex().upper(), 0, "8081")
        assert null[2] == 1

    def test_a_mirrored_copy_is_the_same_row(self, database: Database) -> None:
        now_ms = database.now_ms
        database.archive([records.event(now_ms), records.slate(now_ms)], region="east")
        database.archive(
            [
                records.event(now_ms, topic="east.user-events"),
                records.slate(now_ms, topic="east.recommendations"),
            ],
            region="west",
        )
        for table in ("user_events", "recommendations"):
            assert database.execute(f"SELECT count() FROM {table} FINAL")[0][0] == 1
            assert database.execute(f"SELECT any(origin) FROM {table} FINAL")[0][0] == "east"

    @pytest.mark.parametrize(
        "copies",
        [
            lambda now: [
                records.event(now, item_id="item-a", at_ms=now - 9),
                records.event(now, item_id="item-b", at_ms=now - 9),
                records.event(now, item_id="item-c", at_ms=now - 8),
            ],
            lambda now: [
                records.event(now, item_id="item-a", at_ms=now - 9),
                records.event(now + 3, item_id="item-a", at_ms=now - 9, topic="west.user-events"),
                records.event(now, item_id="item-b", at_ms=now - 9),
            ],
            lambda now: [
                records.event(now, item_id="item-a", at_ms=now - 9),
                records.event(now - DAY_MS, item_id="item-b", at_ms=now - 9),
                records.event(now - DAY_MS, item_id="item-c", at_ms=now - DAY_MS),
            ],
        ],
        ids=["later-wins", "appended-twice", "on-two-days"],
    )
    def test_which_of_two_copies_stays_does_not_depend_on_their_order(
        self, database: Database, copies: Callable[[int], list[FakeRecord]]
    ) -> None:
        stayed = set()
        for order in itertools.permutations(copies(database.now_ms)):
            database.execute("TRUNCATE TABLE user_events")
            for record in order:
                database.archive([record])
            for merge in ("", "OPTIMIZE TABLE user_events FINAL"):
                if merge:
                    database.execute(merge)
                (row,) = database.execute(
                    "SELECT item_id, at_ms, appended_at_ms, origin FROM user_events FINAL"
                )
                stayed.add(tuple(row))
        assert len(stayed) == 1

    def test_the_last_update_of_an_item_is_what_holds(self, database: Database) -> None:
        now_ms = database.now_ms
        updates = [
            records.item(now_ms, offset=4, title="first"),
            records.item(now_ms, offset=5, title="second of the same millisecond"),
            records.item(
                now_ms - 1, offset=90, title="earlier, from west", topic="west.item-updates"
            ),
        ]
        for order in itertools.permutations(updates):
            database.execute("TRUNCATE TABLE item_updates")
            for update in order:
                database.archive([update])
            assert [tuple(row) for row in database.execute("SELECT item_id, title FROM items")] == [
                ("item-1", "second of the same millisecond")
            ]

    def test_a_training_set_is_read_in_parts_that_have_no_user_in_common(
        self, database: Database
    ) -> None:
        now_ms = database.now_ms
        done = [
            records.event(
                now_ms - 1_000 + n, user_id=f"user-{n % 7}", event_id=f"event-{n}", item_id=f"i{n}"
            )
            for n in range(40)
        ]
        looked = {"kind": "impression", "recommendation_id": "r", "epoch": 1, "position": 0}
        ignored = [
            records.event(now_ms, event_id="looked", **looked),
            records.event(now_ms, event_id="asked", kind="search", query="shoes"),
        ]
        for _ in range(2):
            database.archive([*done, *ignored])
        whole = read_shard(database.execute, 0, 1, Span())
        assert [event.item for event in whole] == [f"i{n}" for n in range(40)]
        parts = [read_shard(database.execute, shard, 3, Span()) for shard in range(3)]
        assert sorted(event for part in parts for event in part) == sorted(whole)
        users = [{event.user for event in part} for part in parts]
        assert sum(map(len, users)) == len(set.union(*users)) == 7
        cut = Span(whole[10].time_ms, whole[20].time_ms)
        assert read_shard(database.execute, 0, 1, cut) == whole[10:20]

    def test_a_training_set_has_values_and_titles_as_they_were_sent(
        self, database: Database
    ) -> None:
        now_ms = database.now_ms
        database.archive(
            [
                records.event(now_ms, event_id="1", kind="rating", value=3, scale=10),
                records.event(now_ms, event_id="2", kind="purchase", quantity=4),
                records.event(now_ms, event_id="3", kind="uncart"),
                records.item(now_ms, title="Shoes", categories=["a", "b"]),
            ]
        )
        found = {event.kind: event.value for event in read_shard(database.execute, 0, 1, Span())}
        assert found == {"rating": 1.5, "purchase": 4.0, "uncart": None}
        titles, categories = descriptions(database.execute)
        assert (titles, categories) == ({"item-1": "Shoes"}, {"item-1": ("a", "b")})

    def test_nothing_before_the_newest_erasure_is_in_a_training_set(
        self, database: Database
    ) -> None:
        now_ms = database.now_ms
        erase = {"kind": "erase", "event_id": "erased", "at_ms": now_ms - 9_000}
        events = [
            records.event(now_ms + n, event_id=f"event-{n}", at_ms=now_ms + n, item_id=f"i{n}")
            for n in range(0, 60, 10)
        ]
        others = records.event(now_ms, user_id="other", event_id="event-0")
        copies = [
            records.event(now_ms + 20, **erase),
            records.event(now_ms + 35, topic="east.user-events", **erase),
            # The same id on a click, which is the larger copy in a history; the erasure counts.
            records.event(now_ms + 36, event_id="erased", at_ms=now_ms + 36),
        ]
        for order in itertools.permutations(copies):
            for merge in ("", "OPTIMIZE TABLE user_events FINAL"):
                database.execute("TRUNCATE TABLE user_events")
                for record in (*events, others, *order):
                    database.archive([record], region="west")
                if merge:
                    database.execute(merge)
                left = read_shard(database.execute, 0, 1, Span(until_ms=now_ms + 50))
                found = [(event.user, event.item) for event in left]
                assert found == [("other", "item-1"), ("kim", "i40")]

    def test_a_block_that_is_sent_again_changes_no_count(self, database: Database) -> None:
        now_ms = database.now_ms
        database.archive([records.owned(FIRST)])
        events = [records.event(now_ms, event_id=f"event-{n}") for n in range(6)]
        slates = [
            records.slate(now_ms, recommendation_id=f"slate-{n}", fallback=fallback)
            for n, fallback in enumerate([None, None, "deadline"])
        ]
        counts = []
        for _ in range(2):
            database.archive([*events, *slates])
            counts.append([[tuple(row) for row in database.execute(query)] for query in COUNTS])
        assert [[(kind, int(n)) for kind, n in rows] for rows in counts[0]] == [
            [("click", 6)],
            [("deadline", 1), ("none", 2)],
        ]
        assert counts[1] == counts[0]

    def test_click_through_counts_places_that_were_seen(self, database: Database) -> None:
        now_ms = database.now_ms
        minute_ms = now_ms - now_ms % 60_000

        def seen(recommendation: str, item: str, user: str = "kim", number: int = 1) -> FakeRecord:
            return records.event(
                minute_ms,
                kind="impression",
                event_id=f"seen-{recommendation}-{item}-{number}",
                user_id=user,
                recommendation_id=recommendation,
                item_id=item,
                epoch=16,
                position=0,
            )

        def clicked(recommendation: str, item: str, user: str = "kim", n: int = 1) -> FakeRecord:
            return records.event(
                minute_ms,
                event_id=f"clicked-{recommendation}-{item}-{n}",
                user_id=user,
                recommendation_id=recommendation,
                item_id=item,
            )

        fence_ms = minute_ms + 20
        batch = [
            records.owned(_taken_over(fence_ms)),
            records.slate(minute_ms, recommendation_id="slate-1"),
            # The same slate at a later epoch is the same recommendation.
            records.slate(minute_ms, recommendation_id="slate-1", epoch=32, region="west"),
            records.slate(minute_ms, recommendation_id="slate-2"),
            # Given behind the fence by the one that owns the origin no more: nobody was shown it.
            records.slate(fence_ms + 41, recommendation_id="zombie"),
            seen("zombie", "item-1"),
            seen("slate-1", "item-1"),
            seen("slate-1", "item-1", number=2),
            seen("slate-1", "item-2"),
            seen("slate-2", "item-1"),
            clicked("slate-1", "item-1"),
            clicked("slate-1", "item-1", n=2),
            clicked("slate-2", "item-2"),  # never on a screen
            seen("slate-1", "item-1", user="lee"),  # not lee's slate
            clicked("slate-1", "item-1", user="lee"),
            seen("unknown", "item-1"),
        ]
        for _ in range(2):
            database.archive(batch)
        (row,) = database.execute(
            "SELECT toUInt32(minute), model, impressions, clicks, round(rate, 4) FROM click_through"
        )
        assert tuple(row) == (minute_ms // 1000, "recommender", 3, 1, 0.3333)

    def test_a_view_holds_what_is_valid(self, database: Database) -> None:
        """By the rule that readers have, on the cases that it is tested on."""
        for ownership in (None, FIRST, DRAINING, EAST_2):
            cases = [case for case in CASES if case.ownership is ownership]
            database.execute("TRUNCATE TABLE region_ownership")
            database.execute("TRUNCATE TABLE recommendations")
            database.archive([] if ownership is None else [records.owned(ownership)])
            database.archive([_answer(database.now_ms, case) for case in cases])
            assert _valid(database) == sorted(case.name for case in cases if case.valid)

    def test_what_is_valid_has_the_columns_of_all(self, database: Database) -> None:
        def named(table: str) -> list[str]:
            return [str(name) for name, *_ in database.execute(f"DESCRIBE TABLE {table}")]

        assert {*named("recommendations")} - {*named("valid_recommendations")} == {"row_version"}

    def test_what_is_valid_follows_the_highest_record(self, database: Database) -> None:
        cases = [case for case in CASES if case.origin == "east"]
        database.archive([_answer(database.now_ms, case) for case in cases])
        wanted = sorted(
            case.name for case in cases if valid(_headers(case), case.partition, EAST_2)
        )
        assert 0 < len(wanted) < len(cases)
        for order in itertools.permutations((FIRST, DRAINING, EAST_2)):
            database.execute("TRUNCATE TABLE region_ownership")
            for record in order:
                database.archive([records.owned(record)])
            assert _valid(database) == wanted
            assert [
                tuple(row) for row in database.execute("SELECT owner, epoch FROM ownership")
            ] == [("west", 33)]

    def test_the_view_and_the_rule_agree_on_slates_of_every_kind(self, database: Database) -> None:
        seeded = random.Random(1)
        origins = ("east", "west", "north")
        held = {
            origin: Ownership(
                origin=origin,
                epoch=80,
                owner="west",
                past=[
                    PastEpoch(
                        epoch=epoch,
                        owner=origin,
                        fences={n: seeded.randrange(9) for n in range(3) if seeded.random() < 0.7},
                    )
                    for epoch in (16, 33, 48)
                ],
                command_id="test",
            )
            for origin in origins[:2]
        }
        cases = [
            Case(
                str(number),
                held.get(origin := seeded.choice(origins)),
                origin,
                seeded.choice((16, 17, 33, 48, 80, 96)),
                seeded.randrange(4),
                seeded.randrange(9),
                valid=False,
            )
            for number in range(400)
        ]
        wanted = sorted(
            case.name for case in cases if valid(_headers(case), case.partition, case.ownership)
        )
        assert 0 < len(wanted) < len(cases)
        database.archive([records.owned(ownership) for ownership in held.values()])
        database.archive([_answer(database.now_ms, case) for case in cases])
        assert _valid(database) == wanted

    def test_what_no_reader_takes_for_a_record_of_ownership_holds_nowhere(
        self, database: Database
    ) -> None:
        database.archive([records.owned(FIRST)])
        for impossible in (
            FakeRecord(encode(EAST_2), key=b"west", topic="region-ownership"),
            records.owned(msgspec.structs.replace(FIRST, epoch=20, past=EAST_2.past)),
        ):
            rows = rows_of([impossible], "east", 5000)
            assert sum(rows.skipped.values()) == 1
            assert not rows.blocks


def _answer(issued_at_ms: int, case: Case) -> FakeRecord:
    return records.slate(
        issued_at_ms,
        recommendation_id=case.name,
        partition=case.partition,
        origin=case.origin,
        epoch=case.epoch,
        cause=Cause(event_id="e", kind="click", at_ms=1, appended_at_ms=case.cause_ms),
    )


def _headers(case: Case) -> AnswerHeaders:
    return AnswerHeaders.decode(_answer(0, case).headers() or [])


def _valid(database: Database) -> list[str]:
    rows = database.execute("SELECT recommendation_id FROM valid_recommendations")
    whole = database.execute("SELECT * FROM valid_recommendations")
    ((counted,),) = database.execute("SELECT count() FROM valid_recommendations")
    # An old server leaves out columns that it takes for unneeded, and then misses them.
    assert len(rows) == len(whole) == int(str(counted))
    return sorted(str(name) for (name,) in rows)


def _taken_over(fence_ms: int) -> Ownership:
    """By the west, from the east, whose answers of partition 3 count up to the fence."""
    past = [PastEpoch(epoch=16, owner="east", fences={3: fence_ms})]
    return Ownership(origin="east", epoch=32, owner="west", past=past, command_id="promote")


def blocks(batch: Sequence[FakeRecord], region: str):
    """The blocks that the stage would insert for these records."""
    rows = rows_of(batch, region, 5000)
    assert not rows.skipped
    return rows.blocks
