"""The regions east and west of a drill: servers, topics, mirrors, owners, items, and where that is
asked for ClickHouse and a Triton with a model in each. Small enough for two cores.
"""

import dataclasses
import shutil
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import msgspec

from infra import control, regions, topics
from infra.clickhouse.migrate import migrate
from infra.local import clickhouse, endpoints, kafka, mirror, ports, triton
from infra.local.endpoints import Endpoints
from infra.local.settings import LocalSettings
from infra.local.supervisor import Server
from infra.regions import Region as Place
from infra.starting import with_endpoints
from schemas.topics import ITEM_UPDATES
from streams.settings import Settings
from tests.drills.harness.network import Network
from tests.drills.harness.region import Region
from tests.drills.harness.waiting import until
from tests.servers.states import put
from tests.servers.workers import item

REGIONS = ("east", "west")
ITEMS = 60
DIGEST_S = 1.0
DIGEST_SLICES = 4
"""All users are compared every four seconds, where production takes an hour."""
_READY_S = 400.0
"""Eight servers start at once."""
_PORTS = tuple(name for name in LocalSettings.model_fields if name.endswith("_port"))

Regions = Mapping[str, Region]


@contextmanager
def regions_of(
    machine: Path,
    tools: Path,
    *,
    partitions: int = 4,
    full: bool = False,
    broker: Mapping[str, str] | None = None,
    network: Network | None = None,
) -> Iterator[Regions]:
    """Started, each owning itself, without workers. `full`: ClickHouse and Triton in each, which
    do not look out of a network of their own; `broker`: settings of both brokers beside those that
    they always have.
    """
    machine.mkdir(parents=True, exist_ok=True)
    fixed = dict.fromkeys(_PORTS, 0)
    local = LocalSettings(home=machine, tools=tools, releases=machine / "releases", **fixed)
    taken: list[int] = []
    places = regions.named(local, REGIONS)
    told = {place.name: _endpoints(place.name, taken, network) for place in places}
    made = {place.name: _region(machine, place, told, partitions, full=full) for place in places}
    for region in made.values():
        region.network = network
        region.servers["kafka"] = _with(region.servers["kafka"], region, broker or {})
    try:
        with ThreadPoolExecutor(len(made)) as pool:
            list(pool.map(_begin, made.values()))
            list(pool.map(lambda region: region.start(mirror.NAME), made.values()))
        _furnish(made)
        if full:
            # Torch comes with it, which is slow to import.
            from tests.drills.harness.models import release  # noqa: PLC0415

            release(made)
            for region in made.values():
                _tables(region)
        yield made
    finally:
        for region in made.values():
            region.thaw()
            for crew in region.crews:
                crew.end()
        for region in made.values():
            region.stop(mirror.NAME)
        for region in made.values():
            region.stop()
            shutil.rmtree(region.home.data, ignore_errors=True)


def _begin(region: Region) -> None:
    """All but the mirror, for which the peer must be there."""
    region.start(*(name for name in region.servers if name != mirror.NAME))
    settings = region.settings
    topics.create(region.bootstrap, settings.partitions, region.name, settings.peers)
    control.own_first(settings)


def _with(server: Server, region: Region, more: Mapping[str, str]) -> Server:
    """The broker, with these settings too."""
    properties = region.home.run / "kafka.properties"

    def prepare() -> None:
        server.prepare()
        with properties.open("a") as file:
            file.writelines(f"{name}={value}\n" for name, value in more.items())

    return dataclasses.replace(server, prepare=prepare) if more else server


def _endpoints(name: str, taken: list[int], network: Network | None) -> Endpoints:
    chosen = {}
    for port in _PORTS:
        chosen[port] = ports.free_port(frozenset(taken))
        taken.append(chosen[port])
    host = ports.HOST if network is None else network.address(name)
    return Endpoints(**chosen, clickhouse_database="tidemill", kafka_host=host)


def _region(
    machine: Path,
    place: Place,
    told: Mapping[str, Endpoints],
    partitions: int,
    *,
    full: bool,
) -> Region:
    home, own = place.local.place, told[place.name]
    peers = {peer: told[peer].kafka for peer in place.settings.peers}
    endpoints.write(home, msgspec.structs.replace(own, region=place.name, peers=peers))
    settings = with_endpoints(place.settings, own).model_copy(
        update={
            "partitions": partitions, "digest_s": DIGEST_S, "digest_slices": DIGEST_SLICES,
        }
    )  # fmt: skip
    servers: dict[str, Server] = {
        "kafka": kafka.server(
            home,
            kafka.Kafka(
                own.kafka_port,
                own.kafka_controller_port,
                ready_timeout_s=_READY_S,
                host=own.kafka_host,
            ),
        ),
        mirror.NAME: mirror.server(
            home,
            mirror.Mirror(
                place.name, own.kafka, peers, own.mirror_port, heap_mb=192, ready_timeout_s=_READY_S
            ),
        ),
    }
    if full:
        servers["clickhouse"] = clickhouse.server(
            home,
            clickhouse.ClickHouse(
                own.clickhouse_port, own.clickhouse_http_port, ready_timeout_s=_READY_S
            ),
        )
        servers["triton"] = triton.server(
            home,
            triton.Triton(
                own.triton_http_port,
                own.triton_grpc_port,
                own.triton_metrics_port,
                ready_timeout_s=_READY_S,
            ),
        )
    given = {
        "region": place.name,
        "region_number": settings.region_number,
        "peers": ",".join(settings.peers),
        "partitions": partitions,
        "digest_s": DIGEST_S,
        "digest_slices": DIGEST_SLICES,
    }
    clients = {
        # Nobody there without models: popular items answer, at once.
        "triton": ",".join(own.tritons) if full else "127.0.0.1:1",
        "clickhouse": ",".join(own.clickhouses),
        "clickhouse_database": own.clickhouse_database,
        "session_timeout_ms": 3_000,
        "flush_s": 1.0,
    }
    return Region(machine, home, settings, servers, given, clients)


def _furnish(made: Regions) -> None:
    """Items come to the east; both know them, and who owns what, when this returns."""
    put(made["east"].bootstrap, ITEM_UPDATES.name, [(f"i{n}", item(f"i{n}")) for n in range(ITEMS)])
    for region in made.values():
        until(
            f"{region.name} knows both owners",
            lambda r=region: len(control.ownerships(r.settings).origins) == len(REGIONS),
        )


def _tables(region: Region) -> None:
    settings: Settings = region.settings
    migrate(
        settings.clickhouse[0],
        settings.clickhouse_user,
        settings.clickhouse_password.get_secret_value(),
        settings.clickhouse_database,
    )
