"""What runs here, what is ready, who owns what and how far behind it is; nothing is changed.

Called by `tidemill status`. Whatever does not answer is told as such: a status never fails because
a server does.
"""

import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress

import msgspec
from confluent_kafka import KafkaException

from infra import broker, control, workers
from infra.broker import BrokerError
from infra.lag import lag
from infra.local import prometheus, servers, supervisor
from infra.local.ports import HOST
from infra.local.settings import LocalSettings
from infra.partitions import PartitionStatus, partitions
from infra.replicas import Replica, chosen, replicas
from infra.supervise import NAME, told
from infra.supervise.exits import Exit
from infra.tritons import Triton, triton
from streams.lane.errors import LaneError
from streams.settings import Settings
from streams.topology import RECOMMEND, StageName


class Worker(msgspec.Struct, frozen=True, kw_only=True):
    """A worker process of this machine. `running` is False where it ended by itself; the supervisor
    starts it again at `starts_at_ms`. `restarts` counts since the supervisor began.
    """

    name: str
    stage: StageName
    pid: int
    running: bool
    ready: bool
    metrics: str | None
    log: str
    restarts: int
    last_exit: Exit | None
    starts_at_ms: int | None
    partitions: list[PartitionStatus]
    """That it holds; none where it does not answer."""


class Supervisor(msgspec.Struct, frozen=True, kw_only=True):
    """Who starts the workers again; where it does not run, `tidemill up` starts it and them."""

    pid: int
    running: bool
    log: str


class Broker(msgspec.Struct, frozen=True, kw_only=True):
    url: str
    ready: bool


class Server(msgspec.Struct, frozen=True, kw_only=True):
    url: str
    ready: bool


class Mirror(msgspec.Struct, frozen=True, kw_only=True):
    """`ready`: it copies from each of these regions."""

    peers: list[str]
    ready: bool


class Region(msgspec.Struct, frozen=True, kw_only=True):
    """`lag` is in records by stage, None where Kafka cannot tell. `owner_of` lists the origins
    whose recommendations this region publishes, `epoch` is that of its own origin. `mirror` is
    None where none is to run here. `clickhouse` is the one of the `clickhouses` that is read.
    """

    kafka: Broker
    workers: list[Worker]
    lag: dict[StageName, int] | None
    owner_of: list[str]
    epoch: int | None
    mirror: Mirror | None
    clickhouse: Server
    clickhouses: list[Replica]
    prometheus: Server
    supervisor: Supervisor | None


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """ClickHouse, Prometheus and the supervisor are the first region's; each region tells its own
    too.
    """

    regions: dict[str, Region]
    triton: list[Triton]
    clickhouse: Server
    prometheus: Server
    supervisor: Supervisor | None


def status(local: LocalSettings, settings: Settings) -> Status:
    """Asks everything at once; a few seconds where something does not answer."""
    with ThreadPoolExecutor(max_workers=8) as pool:
        stored = pool.submit(replicas, settings)
        watching = pool.submit(_prometheus, local)
        mirroring = pool.submit(_mirror, local)
        tritons = pool.submit(_tritons, local, settings)
        region = _region(local, settings, stored, watching, mirroring)
        return Status(
            regions={settings.region: region},
            triton=tritons.result(),
            clickhouse=region.clickhouse,
            prometheus=region.prometheus,
            supervisor=region.supervisor,
        )


def together(regions: Sequence[tuple[LocalSettings, Settings]]) -> Status:
    """The same of several regions of this machine, in one."""
    with ThreadPoolExecutor(max_workers=len(regions)) as pool:
        found = list(pool.map(status, *zip(*regions, strict=True)))
    return msgspec.structs.replace(
        found[0],
        regions={name: region for one in found for name, region in one.regions.items()},
        triton=[each for one in found for each in one.triton],
    )


def _region(
    local: LocalSettings,
    settings: Settings,
    stored: Future[list[Replica]],
    watching: Future[Server],
    mirroring: Future[Mirror | None],
) -> Region:
    is_there = broker.is_there(settings)
    records: dict[StageName, int] | None = None
    owner_of: list[str] = []
    epoch: int | None = None
    if is_there:
        # Topics that are not there yet, or a broker that goes away while it is asked.
        with suppress(BrokerError, KafkaException, LaneError):
            known = control.ownerships(settings)
            owner_of = sorted(o for o, r in known.origins.items() if r.owner == settings.region)
            own = known.current(settings.region)
            epoch = None if own is None else own.epoch
            records = lag(settings)
    return Region(
        kafka=Broker(url=settings.kafka, ready=is_there),
        workers=_workers(local),
        lag=records,
        owner_of=owner_of,
        epoch=epoch,
        mirror=mirroring.result(),
        clickhouse=_read(stored.result()),
        clickhouses=stored.result(),
        prometheus=watching.result(),
        supervisor=_supervisor(local),
    )


def _supervisor(local: LocalSettings) -> Supervisor | None:
    for state in supervisor.states(local.place.run):
        if state.name == NAME:
            return Supervisor(pid=state.pid, running=state.running, log=str(state.log))
    return None


def _workers(local: LocalSettings) -> list[Worker]:
    kept = _kept(local)
    found = []
    for state in supervisor.states(local.place.run):
        stage = workers.stage_of(state.name)
        port = state.ports.get(workers.METRICS_PORT)
        if stage is None or port is None:
            continue
        ready, held = False, list[PartitionStatus]()
        with suppress(OSError, ValueError):
            ready = state.running and workers.answers(stage, port)
            if state.running:
                held = partitions(stage, workers.exposition(stage, port), time.time())
        more = kept.pop(state.name, None)
        found.append(
            Worker(
                name=state.name,
                stage=stage,
                pid=state.pid,
                running=state.running,
                ready=ready,
                metrics=f"http://{HOST}:{port}/metrics" if state.running else None,
                log=str(state.log),
                restarts=0 if more is None else more.restarts,
                last_exit=None if more is None else more.last_exit,
                starts_at_ms=None if more is None else more.starts_at_ms,
                partitions=held,
            )
        )
    lost = (worker for worker in kept.values() if workers.stage_of(worker.name) is not None)
    return found + [_without_process(worker) for worker in lost]


def _kept(local: LocalSettings) -> dict[str, told.KeptWorker]:
    """What the supervisor told last; where it ended since, nobody starts anything again."""
    found, keeper = told.read(local.place), _supervisor(local)
    if found is None:
        return {}
    if keeper is not None and keeper.running:
        return {worker.name: worker for worker in found.workers}
    return {w.name: msgspec.structs.replace(w, starts_at_ms=None) for w in found.workers}


def _without_process(kept: told.KeptWorker) -> Worker:
    """One whose port is taken, for example; its pid is 0."""
    stage = workers.stage_of(kept.name)
    assert stage is not None
    return Worker(
        name=kept.name,
        stage=stage,
        pid=0,
        running=False,
        ready=False,
        metrics=None,
        log=kept.log,
        restarts=kept.restarts,
        last_exit=kept.last_exit,
        starts_at_ms=kept.starts_at_ms,
        partitions=[],
    )


def _tritons(local: LocalSettings, settings: Settings) -> list[Triton]:
    told = {}
    for name, port in workers.metrics_ports(local.place).items():
        if workers.stage_of(name) == RECOMMEND.name:
            with suppress(OSError, ValueError):
                told[name] = workers.exposition(RECOMMEND.name, port)
    with ThreadPoolExecutor(max_workers=len(settings.triton)) as pool:
        return list(pool.map(lambda url: triton(url, told), settings.triton))


def _read(found: Sequence[Replica]) -> Server:
    one = chosen(found)
    return Server(url=one.url, ready=one.ready)


def _mirror(local: LocalSettings) -> Mirror | None:
    found = servers.endpoints(local)
    if found is None or not found.peers:
        return None
    return Mirror(peers=sorted(found.peers), ready=servers.is_mirroring(local))


def _prometheus(local: LocalSettings) -> Server:
    found = servers.endpoints(local)
    asked = prometheus.Prometheus(local.prometheus_port if found is None else found.prometheus_port)
    ready = False
    with suppress(OSError, ValueError, LookupError):
        ready = prometheus.answers(asked)
    return Server(url=asked.url, ready=ready)
