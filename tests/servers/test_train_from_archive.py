"""`tidemill train --from clickhouse` on a real ClickHouse, filled as the archive stage fills it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.clickhouse import migrate
from tests.infra.command import NOWHERE, called, document, document_here, failed_here
from tests.servers.archive_database import OnServer, a_database
from tests.streams import archive_records as records

USERS, ITEMS, LENGTH = 30, 12, 6
TRAIN = ("train", "--from", "clickhouse", "--no-transformer")


@pytest.fixture
def database(clickhouse) -> Iterator[OnServer]:
    with a_database(clickhouse) as database:
        migrate.apply(database.execute)
        yield database


def settings(database: OnServer) -> dict[str, str]:
    given = {
        "TIDEMILL_CLICKHOUSE": ",".join(database.settings.clickhouse),
        "TIDEMILL_CLICKHOUSE_DATABASE": database.name,
    }
    return NOWHERE | given


def walks(database: OnServer) -> None:
    """Each user walks round a circle of items, an hour a step; then one of them asks to be
    forgotten, who alone knew an item of his own, and clicks once more.
    """
    began_ms = database.now_ms - 3_600_000 * LENGTH
    batch = [
        records.event(
            began_ms + 3_600_000 * step + user,
            user_id=f"user-{user}",
            event_id=f"event-{step}",
            item_id=f"item-{(user + step) % ITEMS}",
        )
        for user in range(USERS)
        for step in range(LENGTH)
    ]
    gone = {"user_id": "user-0"}
    batch += [
        records.event(began_ms, event_id="secret", item_id="secret", **gone),
        records.event(database.now_ms, event_id="erase", kind="erase", **gone),
        records.event(database.now_ms + 1, event_id="again", at_ms=database.now_ms + 1, **gone),
        records.item(database.now_ms, title="Shoes"),
    ]
    database.archive(batch)
    database.archive(batch)


def items_of(folder: str) -> str:
    return (Path(folder) / "items.json").read_text()


def test_processes_read_parts_of_it_and_the_release_is_that_of_one(database, tmp_path) -> None:
    walks(database)
    given = settings(database)
    alone = document_here(tmp_path, *TRAIN, **given)
    both = document(tmp_path, *TRAIN, "--processes", "2", **given)
    assert alone["training"]["interactions"] == (USERS - 1) * LENGTH + 1
    assert alone["training"]["users"] == USERS
    assert alone["training"]["dataset"] == "clickhouse"
    assert both["training"]["fingerprint"] == alone["training"]["fingerprint"]
    assert both["metrics"] == alone["metrics"]
    assert "secret" not in items_of(alone["folder"])
    assert "Shoes" in items_of(alone["folder"])


def test_it_is_cut_by_event_time(database, tmp_path) -> None:
    walks(database)

    def trained(*cut: str) -> int:
        made = document_here(tmp_path, *TRAIN, *cut, "--no-evaluate", **settings(database))
        return made["training"]["interactions"]

    began_s = database.now_ms // 1000 - 3_600 * LENGTH
    (day,) = database.execute(f"SELECT toString(toDateTime({began_s + 7_200 - 600}, 'UTC'))")
    assert trained("--until", str(day[0])) == (USERS - 1) * 2
    assert trained("--since", str(day[0])) == (USERS - 1) * (LENGTH - 2) + 1
    assert trained("--until", "50%") == ((USERS - 1) * LENGTH + 1) // 2


def test_an_empty_archive_and_none_at_all_are_sentences(database, tmp_path) -> None:
    given = settings(database)
    assert "user_events: it holds no interaction" in failed_here(tmp_path, *TRAIN, **given)
    gone = given | {"TIDEMILL_CLICKHOUSE_DATABASE": "nowhere"}
    assert "nowhere.user_events: ClickHouse cannot be read" in failed_here(tmp_path, *TRAIN, **gone)
    away = given | {"TIDEMILL_CLICKHOUSE": "127.0.0.1:1"}
    assert "ClickHouse cannot be read" in failed_here(tmp_path, *TRAIN, "--processes", "2", **away)
    wrong = called(tmp_path, "train", "ml-100k", "--from", "kafka", **given)
    assert (wrong.exit_code, "it is clickhouse" in wrong.stderr) == (2, True)
    assert not (tmp_path / "releases").exists()
