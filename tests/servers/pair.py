"""Two regions of one machine, each with a broker and a MirrorMaker that reads from the other.

Started once for a module: a topic that is made anew under a running mirror is another matter, so
each test brings users and ids of its own.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka import Message

from infra import topics
from infra.lag import behind
from infra.local import kafka as kafka_server
from infra.local import mirror as mirror_server
from infra.local import ports, supervisor
from infra.local.home import Home
from infra.local.supervisor import Server
from schemas.state import USER_KEY_PREFIX
from schemas.topics import STATE_CHANGELOG, Topic, mirrored_name
from streams.settings import Settings
from streams.topology import RECOMMEND
from tests.servers.workers import Log, until

PARTITIONS = 8
REGIONS = ("east", "west")


@dataclass(frozen=True)
class Region:
    """One of the two, and how its servers are described."""

    settings: Settings
    home: Home
    kafka: Server
    mirror: Server

    @property
    def name(self) -> str:
        return self.settings.region

    @property
    def bootstrap(self) -> str:
        return self.settings.kafka

    @property
    def peer(self) -> str:
        return self.settings.peers[0]

    def copy_of(self, topic: Topic) -> str:
        """The name here of the peer's topic."""
        return mirrored_name(self.peer, topic)

    def records(self, topic: str) -> list[Message]:
        """All that are committed."""
        log = Log(self.bootstrap, topic)
        try:
            return log.read()
        finally:
            log.close()

    def processed(self) -> None:
        """Returns when the worker here has committed all there is, the copies too."""
        until(
            f"everything is processed in {self.name}",
            lambda: behind(RECOMMEND, self.settings) == 0,
        )

    def states(self) -> dict[str, bytes]:
        """Each user's state as it is written, byte for byte."""
        newest = {(r.key() or b""): r.value() or b"" for r in self.records(STATE_CHANGELOG.name)}
        return {
            key.removeprefix(USER_KEY_PREFIX).decode(): value
            for key, value in newest.items()
            if key.startswith(USER_KEY_PREFIX)
        }


Pair = Mapping[str, Region]


def started(folder: Path, tools: Path) -> Iterator[Pair]:
    """Both brokers, all topics, then both mirrors; everything is stopped behind it."""
    chosen: list[int] = []
    while len(chosen) < 6:
        chosen.append(ports.free_port(frozenset(chosen)))
    brokers = {
        name: kafka_server.Kafka(chosen[3 * n], chosen[3 * n + 1]) for n, name in enumerate(REGIONS)
    }
    pair = {}
    for number, (name, peer) in enumerate(zip(REGIONS, reversed(REGIONS), strict=True)):
        home = Home(folder / name, tools)
        settings = Settings(
            region=name, region_number=number, peers=(peer,), kafka=brokers[name].bootstrap,
            partitions=PARTITIONS,
        )  # fmt: skip
        described = mirror_server.Mirror(
            name, settings.kafka, {peer: brokers[peer].bootstrap}, chosen[3 * number + 2]
        )
        pair[name] = Region(
            settings, home, kafka_server.server(home, brokers[name]),
            mirror_server.server(home, described),
        )  # fmt: skip
    try:
        for region in pair.values():
            supervisor.start(region.home, [region.kafka])
        for region in pair.values():
            topics.create(region.bootstrap, PARTITIONS, region.name, region.settings.peers)
        for region in pair.values():
            supervisor.start(region.home, [region.mirror])
        yield pair
    finally:
        for region in pair.values():
            supervisor.stop(region.home.run, [mirror_server.NAME])
        for region in pair.values():
            supervisor.stop(region.home.run)
