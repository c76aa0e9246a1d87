"""Two ClickHouses with the whole archive each, as `tidemill up` starts them: one dies under load,
the other goes on and is read, and the dead one returns to the same rows, from an empty disk too.
"""

import shutil
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest
from clickhouse_driver import Client

from infra.local import supervisor
from infra.local.supervisor import records
from schemas.topics import ITEM_UPDATES, USER_EVENTS
from streams.stages.archive.tables import TABLES
from tests.infra.command import document, done
from tests.servers.bringing_up import PORTS
from tests.servers.states import put
from tests.servers.workers import event, item, until

USERS, ITEMS, TOGETHER = 40, 12, 20
TRAIN = ("train", "--from", "clickhouse", "--no-evaluate")
Rows = list[tuple[object, ...]]


@dataclass
class Place:
    """The machine of the test. `sent`: events that Kafka has."""

    home: Path
    given: dict[str, str]
    sent: int = 0
    stopping: threading.Event = field(default_factory=threading.Event)

    def document(self, *arguments: str) -> Any:
        return document(self.home, *arguments, **self.given)

    def up(self) -> str:
        return done(self.home, "up", **self.given)

    def region(self) -> Any:
        return self.document("status")["regions"]["east"]

    def rows(self, address: str, sql: str) -> Rows:
        host, _, port = address.rpartition(":")
        with Client(host, int(port), database="tidemill") as client:
            found: Rows = client.execute(sql)
            return found

    def events(self, address: str) -> int:
        ((count,),) = self.rows(address, "SELECT count() FROM user_events FINAL")
        assert isinstance(count, int)
        return count

    def everything(self, address: str) -> dict[str, list[str]]:
        """Every row of every table and view of the archive, in an order of its own."""
        views = [
            str(name)
            for (name,) in self.rows(
                address, "SELECT name FROM system.tables WHERE database = 'tidemill'"
                " AND engine = 'View'",
            )
        ]  # fmt: skip
        assert len(views) >= 6
        asked = {view: f"SELECT * FROM {view}" for view in views}
        asked |= {table: f"SELECT * FROM {table} FINAL" for table in TABLES.values()}
        return {name: sorted(map(str, self.rows(address, sql))) for name, sql in asked.items()}

    def people(self, bootstrap: str) -> None:
        """They click until the test has seen enough."""
        while not self.stopping.is_set():
            numbers = range(self.sent, self.sent + TOGETHER)
            put(bootstrap, USER_EVENTS.name, [_click(number) for number in numbers])
            self.sent += TOGETHER

    def kill(self, name: str) -> None:
        record = records.read(self.home / "run", name)
        process = record.process() if record else None
        assert process is not None
        family = [process, *process.children(recursive=True)]
        for member in family:
            member.kill()
        psutil.wait_procs(family, timeout=30)


def _click(number: int) -> tuple[str, bytes]:
    user = f"user-{number % USERS}"
    item_id = f"item-{(number // USERS + number) % ITEMS}"
    return user, event(f"event-{number}", user, item_id=item_id)


@pytest.fixture
def place(tmp_path: Path, tools: Path) -> Iterator[Place]:
    ports = {f"TIDEMILL_{name}_PORT": "0" for name in PORTS}
    more = {"TIDEMILL_TOOLS": str(tools), "TIDEMILL_CLICKHOUSE_REPLICAS": "2"}
    made = Place(tmp_path / "home", ports | more)
    yield made
    made.stopping.set()
    supervisor.stop(made.home / "run")


def test_one_dies_the_other_goes_on_and_it_returns_to_the_same_rows(
    place: Place, tmp_path: Path
) -> None:
    assert "clickhouse-2: 0001_tables.sql" in place.up()
    region = place.region()
    bootstrap = region["kafka"]["url"]
    first, second = (replica["url"] for replica in region["clickhouses"])
    names = {worker["name"] for worker in region["workers"] if worker["ready"]}
    assert {"archive", "archive-2"} <= names
    put(bootstrap, ITEM_UPDATES.name, [(f"item-{n}", item(f"item-{n}")) for n in range(ITEMS)])
    loading = threading.Thread(target=place.people, args=(bootstrap,))
    loading.start()
    try:
        for address in (first, second):
            until("rows in both", lambda address=address: place.events(address) >= 200)
        assert place.region()["clickhouse"] == {"url": first, "ready": True}

        place.kill("clickhouse")
        behind = place.sent
        until("the other one goes on", lambda: place.events(second) >= behind + 200)
        is_read_of(place, second, tmp_path / "kept")

        place.up()
        behind = place.sent
        until("it has what came meanwhile", lambda: place.events(first) >= behind)

        place.kill("clickhouse")
        shutil.rmtree(place.home / "data" / "clickhouse")
        place.up()
        behind = place.sent
        until("an empty disk is filled again", lambda: place.events(first) >= behind)
        (filling,) = (w for w in place.region()["workers"] if w["name"] == "archive")
        assert "another disk" in filling["last_exit"]["sentence"]
    finally:
        place.stopping.set()
        loading.join()
    until("both have all", lambda: _behind(place) == [0, 0])
    assert place.events(first) == place.events(second) == place.sent
    one, other = (place.everything(address) for address in (first, second))
    assert one == other
    assert len(one["valid_recommendations"]) > 0

    back = place.document("backup", "restore", str(tmp_path / "kept"))["restored"]
    assert back["without"] == {}
    assert back["archive"]["read"] > 0
    assert [place.everything(address) for address in (first, second)] == [one, other]


def is_read_of(place: Place, address: str, kept: Path) -> None:
    """Everybody who reads the archive goes on by this one; the other one is dead."""
    found = place.region()
    assert found["clickhouse"] == {"url": address, "ready": True}
    assert [one["ready"] for one in found["clickhouses"]] == [False, True]
    training = place.document(*TRAIN)["training"]
    assert training["users"] == USERS
    made = place.document("backup", "create", str(kept))
    assert made["tables_problem"] is None
    assert made["rows"] > 0
    (away,) = place.document("backup", "restore", str(kept))["restored"]["without"].values()
    assert found["clickhouses"][0]["url"] in away


def _behind(place: Place) -> Sequence[int | None]:
    return [replica["behind"] for replica in place.region()["clickhouses"]]
