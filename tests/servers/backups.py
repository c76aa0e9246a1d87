"""A region with people in it, saved, wiped and brought back, for the tests of backups."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from confluent_kafka import Producer

from infra import topics
from infra.backup.changelog import bounds
from infra.backup.create import Asked, create
from infra.backup.joining import wait
from infra.backup.manifest import Manifest
from infra.backup.place import Place
from infra.backup.restore import Restored, opened, restore
from infra.backup.sealing import Key
from infra.local.home import Home
from schemas.state import USER_KEY_PREFIX, UserState
from schemas.topics import STATE_CHANGELOG
from streams.lane.forwarding import partition_of
from streams.settings import Settings
from tests.servers.conftest import PARTITIONS, REGION
from tests.servers.states import flushed, send, stock
from tests.servers.workers import DEADLINE_S, own


@dataclass
class Region:
    """`kept` is where its backups go."""

    bootstrap: str
    folder: Path
    partitions: int = PARTITIONS
    key: Key | None = None
    archive: Mapping[str, str] = field(default_factory=lambda: {"clickhouse": "127.0.0.1:1"})
    """Settings of its ClickHouse; nobody listens there."""
    place: Place = field(init=False)

    def __post_init__(self) -> None:
        self.place = Place(str(self.folder / "kept"))

    @property
    def settings(self) -> Settings:
        return Settings(kafka=self.bootstrap, partitions=self.partitions, **self.archive)

    @property
    def home(self) -> Home:
        return Home(self.folder / "home", self.folder / "tools")

    @property
    def state_dir(self) -> Path:
        return self.folder / "state"

    def open(self) -> None:
        own(self.bootstrap)
        stock(self.bootstrap)

    def people(self, count: int, *, seed: int, users: Sequence[str]) -> None:
        """They do something, and it is in the changelog."""
        send(self.bootstrap, count, seed=seed, users=users)
        flushed(self.bootstrap)

    def save(self, *, full: bool = False) -> Manifest:
        return create(self.settings, self.home, self.place, self.key, Asked(full=full))

    def bring_back(self, id_: str | None = None, *, wait_for_workers: bool = True) -> Restored:
        kept = opened(self.place, id_, self.key)
        done = restore(self.settings, self.home, kept)
        if wait_for_workers:
            wait(self.settings)
        return done

    def wipe(self, partitions: int = PARTITIONS) -> None:
        """All topics and all disks; no worker may run."""
        topics.recreate(self.bootstrap, partitions, REGION)
        shutil.rmtree(self.state_dir, ignore_errors=True)
        shutil.rmtree(self.home.root, ignore_errors=True)
        self.partitions = partitions
        self.open()


def write_states(
    bootstrap: str, states: dict[str, UserState], producer: Producer | None = None
) -> None:
    """Into the changelog, as a worker would."""
    count = len(bounds(Settings(kafka=bootstrap)))
    writer = producer or Producer({"bootstrap.servers": bootstrap})
    for user_id, state in states.items():
        key = USER_KEY_PREFIX + user_id.encode()
        partition = partition_of(user_id, count)
        writer.produce(STATE_CHANGELOG.name, state.encode(), key, partition)
    assert writer.flush(DEADLINE_S) == 0
