"""Where a drill plays: an empty cluster with the declared topics, a region that owns itself, and
everything that is started in it. The end is the same for all: `verdict`.
"""

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from infra import topics
from infra.local import supervisor
from infra.local.home import Home
from infra.local.install.steps import install
from infra.local.settings import LocalSettings
from infra.probing.watch import OUTSIDE
from schemas.codec import encode
from schemas.control import Ownership
from schemas.topics import ITEM_UPDATES, REGION_OWNERSHIP
from tests.drills.check.checker import Checker
from tests.drills.check.findings import Findings
from tests.drills.check.inputs import EAST, Feed, Inputs
from tests.drills.harness.cluster import Cluster
from tests.drills.harness.crew import PASSING, Crew
from tests.drills.harness.load import Load, Mixture
from tests.drills.harness.network import Network, refusal
from tests.drills.harness.progress import Progress
from tests.drills.harness.regions import REGIONS, regions_of
from tests.drills.harness.two import Two
from tests.drills.harness.waiting import until
from tests.servers.workers import item, produce

REGION = "east"
_ITEMS = 60
_SESSION_MS = 2_000
"""Short, so that a drill meets many takeovers."""
_FLUSH_S = 1.0
"""Short, so that there is a flush in most of what is broken."""


@dataclass
class Scene:
    cluster: Cluster
    folder: Path
    partitions: int
    feeds: tuple[Feed, ...]
    crews: list[Crew] = field(default_factory=list)
    loads: list[Load] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.inputs = Inputs(self.partitions, self.feeds)
        self.checker = Checker(self.bootstrap, self.inputs)
        self.progress = Progress(self.bootstrap, self.partitions, self.inputs)

    @property
    def bootstrap(self) -> str:
        return self.cluster.bootstrap

    @property
    def peers(self) -> tuple[str, ...]:
        return tuple(feed.origin for feed in self.feeds if feed.origin != REGION)

    def crew(self, count: int = 0, stage: str = "recommend", **settings: object) -> Crew:
        given: dict[str, Any] = {
            "kafka": self.bootstrap,
            "region": REGION,
            "peers": ",".join(self.peers),
            "partitions": self.partitions,
            "triton": "127.0.0.1:1",  # nobody: popular items answer, at once
            "session_timeout_ms": _SESSION_MS,
            "flush_s": _FLUSH_S,
            **settings,
        }
        made = Crew(self.folder, given, stage)
        self.crews.append(made)
        made.add(count)
        return made

    def load(self, rate: float, mixture: Mixture | None = None, **more: Any) -> Load:
        """Started, and ended by the verdict."""
        made = Load(
            self.bootstrap,
            f"load{len(self.loads)}",
            rate,
            mixture or Mixture(items=_ITEMS),
            seed=len(self.loads),
            partitions=self.partitions,
            **more,
        )
        self.loads.append(made)
        made.start()
        return made

    def load_of_peers(self, rate: float, mixture: Mixture) -> None:
        """What mirrors would bring from each peer. They copy records once, and to where they
        were; a copy that is misplaced there is nobody's business here.
        """
        placed = replace(mixture, misplaced=0.0)
        for feed in self.feeds:
            if feed.origin != REGION:
                self.load(rate, placed, topic=feed.topic, stamped=True)

    def acknowledged(self) -> Mapping[str, bytearray]:
        return {load.name_: load.acknowledged for load in self.loads}

    def settle(self, deadline_s: float = 300.0) -> None:
        """The load ends, and the workers have nothing left to do. Raises NotInTimeError."""
        for load in self.loads:
            load.finish()
        until("every record is processed", self.progress.is_settled, deadline_s)

    def verdict(
        self, *, allowed_exits: frozenset[int] = PASSING, deadline_s: float = 300.0
    ) -> Findings:
        """End the load, look at everything while the workers run, stop them, look again."""
        self.settle(deadline_s)
        for load in self.loads:
            load.probe()
        until("every probe is processed", self.progress.is_settled, deadline_s)
        until("every ask is answered", lambda: not self.checker.unanswered(), 60.0, strict=False)
        findings = self.checker.check(self.acknowledged())
        for crew in self.crews:
            wrong = [code for code in crew.stop() if code != 0]
            findings.add_all("graceful stops that failed", wrong)
            findings.add_all("workers that gave up", crew.unexpected(allowed_exits))
        dirs = {d for crew in self.crews if crew.stage == "recommend" for d in crew.state_dirs}
        findings.take(self.checker.check_stopped(dirs))
        return findings

    def close(self) -> None:
        for load in self.loads:
            load.abandon()
        for crew in self.crews:
            crew.end()
        self.progress.close()


@dataclass
class Ground:
    """The machine's part: a folder, and brokers that serve one drill after the other."""

    home: Home
    clusters: dict[str, Cluster] = field(default_factory=dict)
    scenes: int = 0

    @contextmanager
    def scene(
        self,
        *,
        partitions: int = 4,
        brokers: int = 1,
        peers: tuple[str, ...] = (),
        as_shipped: bool = False,
    ) -> Iterator[Scene]:
        """An empty one; whatever was started in it is gone behind it. `as_shipped`: the brokers,
        for they are small ones otherwise.
        """
        cluster = self._cluster(brokers, as_shipped=as_shipped)
        self.scenes += 1
        folder = self.home.data / f"scene-{self.scenes}"
        folder.mkdir(parents=True)
        topics.recreate(cluster.bootstrap, partitions, REGION, peers)
        west = tuple(Feed(f"{peer}.{EAST.topic}", peer) for peer in peers)
        scene = Scene(cluster, folder, partitions, (EAST, *west))
        _furnish(cluster.bootstrap, scene.feeds)
        try:
            yield scene
        finally:
            scene.close()
            shutil.rmtree(folder / "state", ignore_errors=True)

    @contextmanager
    def two(
        self,
        *,
        partitions: int = 4,
        full: bool = False,
        broker: Mapping[str, str] | None = None,
        apart: bool = False,
    ) -> Iterator[Two]:
        """Two regions that mirror each other; gone behind it. `full`: with models and archives.
        `broker`: settings of both brokers. `apart`: each in a network of its own, where that can
        be; neither models nor archives can.
        """
        for cluster in self.clusters.values():  # not all at a time: memory
            cluster.stop()
        self.scenes += 1
        machine = self.home.root / f"regions-{self.scenes}"
        is_apart = apart and not refusal()
        with (
            closing(Network(*REGIONS, OUTSIDE)) if is_apart else nullcontext() as network,
            regions_of(
                machine, self.home.tools, partitions=partitions, full=full,
                broker=broker, network=network,
            ) as regions,
        ):  # fmt: skip
            made = Two(regions, partitions, network)
            try:
                yield made
            finally:
                made.close()

    def _cluster(self, brokers: int, *, as_shipped: bool) -> Cluster:
        name = f"of-{brokers}{'-as-shipped' if as_shipped else ''}"
        for other, cluster in self.clusters.items():
            if other != name:  # not two at a time: memory
                cluster.stop()
        if name not in self.clusters:
            home = Home(self.home.root / name, self.home.tools)
            self.clusters[name] = Cluster(home, brokers, as_shipped)
        self.clusters[name].start()
        return self.clusters[name]

    def close(self) -> None:
        for cluster in self.clusters.values():
            supervisor.stop(cluster.home.run)


def _furnish(bootstrap: str, feeds: tuple[Feed, ...]) -> None:
    """Ownership of every origin, and items to show."""
    for feed in feeds:
        owned = Ownership(origin=feed.origin, epoch=16, owner=REGION, command_id="drill")
        produce(
            bootstrap, REGION_OWNERSHIP.name, encode(owned), key=feed.origin, schema="ownership"
        )
    for number in range(_ITEMS):
        produce(bootstrap, ITEM_UPDATES.name, item(f"i{number}"), key=f"i{number}")


@contextmanager
def ground(folder: Path | None = None) -> Iterator[Ground]:
    """In a temporary folder, or in one that stays, with the logs of what happened."""
    tools = LocalSettings().place.tools
    install(tools, print)
    with tempfile.TemporaryDirectory(prefix="tidemill-drill-") as temporary:
        made = Ground(Home(folder or Path(temporary), tools))
        try:
            yield made
        finally:
            made.close()
