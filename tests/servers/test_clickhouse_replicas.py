"""Two ClickHouses with the whole archive each: one dies under load, the other goes on and is read,
and the dead one returns to the same rows, from an empty disk too.
"""

import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from clickhouse_driver import Client

from infra.clickhouse.migrate import migrate
from schemas.topics import USER_EVENTS
from streams.lane.errors import OtherDiskError
from streams.stages.archive.tables import TABLES
from tests.infra.command import NOWHERE, document, done
from tests.servers.conftest import PARTITIONS, RunningClickHouse, RunningKafka
from tests.servers.states import put, stock
from tests.servers.workers import Worker, event, own, until

DATABASE = "replicas"
USERS, ITEMS, TOGETHER = 40, 12, 10
_APART_S = 0.2
"""Some fifty events a second: what dies, not how much it carries, is the matter."""
_LONG_S = 300.0
"""Whole topics are read and written again, on slow, shared cores."""
TRAIN = ("train", "--from", "clickhouse", "--no-evaluate", "--text", "none")
Rows = list[tuple[object, ...]]
Start = Callable[..., Worker]


@dataclass
class Place:
    """`servers` in the order of TIDEMILL_CLICKHOUSE, each with the worker that fills it. `sent`:
    events that Kafka has.
    """

    bootstrap: str
    home: Path
    servers: Sequence[RunningClickHouse]
    workers: list[Worker] = field(default_factory=list)
    sent: int = 0
    ended: list[int] = field(default_factory=list)
    """How workers ended by themselves."""
    stopping: threading.Event = field(default_factory=threading.Event)

    @property
    def addresses(self) -> str:
        return ",".join(server.address for server in self.servers)

    @property
    def given(self) -> dict[str, str]:
        mine = {
            "TIDEMILL_KAFKA": self.bootstrap,
            "TIDEMILL_PARTITIONS": str(PARTITIONS),
            "TIDEMILL_CLICKHOUSE": self.addresses,
            "TIDEMILL_CLICKHOUSE_DATABASE": DATABASE,
        }
        return NOWHERE | mine

    def document(self, *arguments: str) -> Any:
        return document(self.home, *arguments, **self.given)

    def region(self) -> Any:
        return self.document("status")["regions"]["east"]

    def make_tables(self) -> None:
        for server in self.servers:
            migrate(server.address, "default", "", DATABASE)

    def rows(self, server: RunningClickHouse, sql: str) -> Rows:
        with Client(server.host, server.port, database=DATABASE) as client:
            found: Rows = client.execute(sql)
            return found

    def events(self, server: RunningClickHouse) -> int:
        ((count,),) = self.rows(server, "SELECT count() FROM user_events FINAL")
        assert isinstance(count, int)
        return count

    def everything(self, server: RunningClickHouse) -> dict[str, list[str]]:
        """Every row of every table and view of the archive, in an order of its own."""
        named = self.rows(
            server,
            f"SELECT name FROM system.tables WHERE database = '{DATABASE}' AND engine = 'View'",
        )
        assert len(named) >= 6
        asked = {str(view): f"SELECT * FROM {view}" for (view,) in named}
        asked |= {table: f"SELECT * FROM {table} FINAL" for table in TABLES.values()}
        return {name: sorted(map(str, self.rows(server, sql))) for name, sql in asked.items()}

    def people(self) -> None:
        """They click until the test has seen enough."""
        while not self.stopping.wait(_APART_S):
            numbers = range(self.sent, self.sent + TOGETHER)
            put(self.bootstrap, USER_EVENTS.name, [_click(number) for number in numbers])
            self.sent += TOGETHER

    def until(self, what: str, condition: Callable[[], Any]) -> None:
        """While workers are kept up, as their supervisor does."""

        def looked() -> Any:
            for worker in self.workers:
                assert worker.process is not None
                if (code := worker.process.poll()) is not None:
                    self.ended.append(code)
                    worker.start()
            return condition()

        until(what, looked, _LONG_S)


def _click(number: int) -> tuple[str, bytes]:
    user = f"user-{number % USERS}"
    item_id = f"i{(number // USERS + number) % ITEMS}"
    return user, event(f"event-{number}", user, item_id=item_id)


@pytest.fixture
def place(
    fresh_kafka: RunningKafka,
    second_clickhouse: RunningClickHouse,
    clickhouse: RunningClickHouse,
    start_worker: Start,
    tmp_path: Path,
) -> Iterator[Place]:
    """The first of the two is the one that dies."""
    made = Place(fresh_kafka.bootstrap, tmp_path, (second_clickhouse, clickhouse))
    made.make_tables()
    stock(made.bootstrap)
    own(made.bootstrap)
    archive = {"clickhouse": made.addresses, "clickhouse_database": DATABASE}
    made.workers = [
        start_worker(state_dir=tmp_path / "state"),
        *(start_worker("archive", **archive, archive_replica=replica) for replica in (1, 2)),
    ]
    yield made
    made.stopping.set()
    for server in made.servers:
        server.start()  # where the test left it dead
    for worker in made.workers:
        worker.stop()  # while there are tables, or it waits for them in vain
    for server in made.servers:
        with Client(server.host, server.port) as client:
            client.execute(f"DROP DATABASE IF EXISTS {DATABASE}")


def test_one_dies_the_other_goes_on_and_it_returns_to_the_same_rows(
    place: Place, tmp_path: Path
) -> None:
    victim, other = place.servers
    loading = threading.Thread(target=place.people)
    loading.start()
    try:
        place.until("rows in both", lambda: min(map(place.events, place.servers)) >= 200)
        place.until("the first is read", lambda: _read(place) == victim.address)
        assert "is read, " in done(place.home, "status", **place.given)

        victim.kill()
        behind = place.sent
        place.until("the other one goes on", lambda: place.events(other) >= behind + 100)
        is_read_of(place, other, tmp_path / "kept")

        victim.start()
        behind = place.sent
        place.until("it has what came meanwhile", lambda: place.events(victim) >= behind)
        assert OtherDiskError.exit_code not in place.ended

        victim.kill()
        shutil.rmtree(victim.home.data / victim.server.name)
        victim.start()
        place.make_tables()
        behind = place.sent
        place.until("an empty disk is filled again", lambda: place.events(victim) >= behind)
        assert OtherDiskError.exit_code in place.ended
    finally:
        place.stopping.set()
        loading.join()
    place.until("both have all", lambda: _behind(place) == [0, 0])
    assert [place.events(server) for server in place.servers] == [place.sent, place.sent]
    one, same = map(place.everything, place.servers)
    assert one == same
    assert one["valid_recommendations"]

    back = place.document("backup", "restore", str(tmp_path / "kept"))["restored"]
    assert back["without"] == {}
    assert back["archive"]["read"] > 0
    assert [place.everything(server) for server in place.servers] == [one, same]


def is_read_of(place: Place, server: RunningClickHouse, kept: Path) -> None:
    """Everybody who reads the archive goes on by this one; the other one is dead."""
    found = place.region()
    assert found["clickhouse"] == {"url": server.address, "ready": True}
    assert [one["ready"] for one in found["clickhouses"]] == [False, True]
    training = place.document(*TRAIN)["training"]
    assert training["users"] == USERS
    made = place.document("backup", "create", str(kept))
    assert made["tables_problem"] is None
    assert made["rows"] > 0
    (away,) = place.document("backup", "restore", str(kept))["restored"]["without"].values()
    assert place.servers[0].address in away


def _read(place: Place) -> str:
    return str(place.region()["clickhouse"]["url"])


def _behind(place: Place) -> Sequence[int | None]:
    return [replica["behind"] for replica in place.region()["clickhouses"]]
