"""All real servers of one home together: `up`, `down`, `status`; what the command line calls.

Workers are not described here: `infra.workers` does that with `Endpoints.environment`, and
`infra.supervise` keeps them running; `down` and `status` know them by their records.
"""

import shutil
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import msgspec

from infra.local import clickhouse, jvm, kafka, mirror, prometheus, supervisor, triton
from infra.local.choosing import choose
from infra.local.endpoints import Endpoints, read, write
from infra.local.install.steps import install
from infra.local.ports import HOST
from infra.local.settings import LocalSettings
from infra.local.supervisor import Server, State

_REPLICAS = {"triton": "triton_replicas", "clickhouse": "clickhouse_replicas"}
"""The settings that say how many of a kind there are."""


@dataclass(frozen=True)
class Status:
    """One process of the home. `ready` is the server's own answer; None where it is not a server
    of ours to ask (a worker), whose metrics tell more.
    """

    state: State
    ready: bool | None


def up(
    settings: LocalSettings, *, fresh: bool = False, report: Callable[[str], None] = lambda _: None
) -> Endpoints:
    """Install what is missing, start what does not run, wait until each answers.

    Safe to repeat: what runs and answers is left alone. `fresh` stops everything and deletes the
    servers' data first. Raises LocalError: a sentence with a remedy.
    """
    home = settings.place
    install(home.tools, report)
    if fresh:
        down(settings)
        shutil.rmtree(home.data, ignore_errors=True)
    chosen = choose(settings, endpoints(settings))
    write(home, chosen)
    supervisor.stop(home.run, _too_many(settings))
    if not home.scrape_targets.exists():
        scrape(settings, {})
    try:
        supervisor.start(
            home,
            tuple(_servers(settings, chosen)),
            log_limit_bytes=settings.log_limit_bytes,
            report=lambda started: report(_line(started)),
        )
    except BaseException:
        if not any(state.running for state in supervisor.states(home.run)):
            home.endpoints.unlink(missing_ok=True)
        raise
    return chosen


def start_mirror(
    settings: LocalSettings,
    region: str,
    peers: Mapping[str, str],
    report: Callable[[str], None] = lambda _: None,
) -> None:
    """Mirror into this region from the Kafka of each peer, all of which must be there with their
    topics; returns when it does. Call it behind `up`. Raises LocalError.
    """
    before = endpoints(settings)
    assert before is not None
    chosen = msgspec.structs.replace(before, region=region, peers=dict(peers))
    write(settings.place, chosen)
    supervisor.start(
        settings.place,
        (_mirror(settings, chosen),),
        log_limit_bytes=settings.log_limit_bytes,
        report=lambda started: report(_line(started)),
    )


def is_mirroring(settings: LocalSettings) -> bool:
    """Whether this region's mirror copies from every peer."""
    chosen = endpoints(settings)
    return (
        chosen is not None and bool(chosen.peers) and supervisor.is_ready(_mirror(settings, chosen))
    )


def stop_mirror(settings: LocalSettings) -> tuple[str, ...]:
    """Its name, where it ran. Two regions that stop end their mirrors first: one whose peer is gone
    waits for it.
    """
    return supervisor.stop(settings.place.run, [mirror.NAME])


def down(settings: LocalSettings) -> tuple[str, ...]:
    """Stop everything that runs in the home, workers first; the names of what ran."""
    home = settings.place
    stopped = supervisor.stop(home.run)
    for told in (home.endpoints, home.scrape_targets, home.wanted, home.kept):
        told.unlink(missing_ok=True)
    return stopped


def endpoints(settings: LocalSettings) -> Endpoints | None:
    """Where the servers are, if `up` was called and `down` was not."""
    return read(settings.place)


def status(settings: LocalSettings) -> tuple[Status, ...]:
    """Each started process, in the order of the starts; empty where nothing is up."""
    states = supervisor.states(settings.place.run)
    chosen = endpoints(settings)
    asked: dict[str, Server] = {}
    if chosen is not None and any(state.running for state in states):
        asked = {server.name: server for server in _servers(settings, chosen)}
        if chosen.peers:
            asked[mirror.NAME] = _mirror(settings, chosen)

    def ask(state: State) -> Status:
        if not state.running:
            return Status(state, ready=False)
        server = asked.get(state.name)
        return Status(state, ready=None if server is None else supervisor.is_ready(server))

    with ThreadPoolExecutor(max_workers=8) as pool:
        return tuple(pool.map(ask, states))


def scrape(settings: LocalSettings, workers: Mapping[str, int]) -> None:
    """Tell Prometheus the metrics port of each worker process, by its name; Triton is added."""
    chosen = endpoints(settings)
    groups = [
        prometheus.Targets([f"{HOST}:{port}"], {"process": name}) for name, port in workers.items()
    ]
    tritons = {} if chosen is None else chosen.all_tritons
    for name, ports in tritons.items():
        groups.append(prometheus.Targets([f"{HOST}:{ports.metrics}"], {"process": name}))
    prometheus.write_targets(settings.place, groups)


def _too_many(settings: LocalSettings) -> list[str]:
    """Processes of a former `up` that wanted more of them."""
    wanted = {
        f"{kind}-{number}"
        for kind, replicas in _REPLICAS.items()
        for number in range(2, getattr(settings, replicas) + 1)
    }
    names = (state.name for state in supervisor.states(settings.place.run))
    return [n for n in names if n.rpartition("-")[0] in _REPLICAS and n not in wanted]


def _times(settings: LocalSettings) -> dict[str, float]:
    return {
        "ready_timeout_s": settings.ready_timeout_s,
        "stop_timeout_s": settings.stop_timeout_s,
    }


def _mirror(settings: LocalSettings, chosen: Endpoints) -> Server:
    described = mirror.Mirror(
        chosen.region,
        chosen.kafka,
        chosen.peers,
        chosen.mirror_port,
        settings.mirror_heap_mb,
        **_times(settings),
    )
    return mirror.server(settings.place, described)


def _servers(settings: LocalSettings, chosen: Endpoints) -> Iterator[Server]:
    home = settings.place
    times = _times(settings)
    yield kafka.server(
        home,
        kafka.Kafka(
            chosen.kafka_port,
            chosen.kafka_controller_port,
            settings.kafka_heap_mb,
            **times,
            host=chosen.kafka_host,
            jvm_flags=jvm.SMALL,
        ),
    )
    for name, ports in chosen.all_tritons.items():
        memory_mb = settings.triton_python_memory_mb
        described = triton.Triton(
            ports.http, ports.grpc, ports.metrics, memory_mb, **times, name=name
        )
        yield triton.server(home, described)
    for name, clickhouse_ports in chosen.all_clickhouses.items():
        wanted = clickhouse.ClickHouse(
            clickhouse_ports.native,
            clickhouse_ports.http,
            settings.clickhouse_memory_mb,
            chosen.clickhouse_database,
            **times,
            name=name,
        )
        yield clickhouse.server(home, wanted)
    yield prometheus.server(
        home,
        prometheus.Prometheus(
            chosen.prometheus_port,
            settings.scrape_interval_s,
            settings.prometheus_retention,
            **times,
        ),
    )


def _line(started: supervisor.Started) -> str:
    if started.fresh:
        return f"{started.name}: ready after {started.seconds:.1f} s (pid {started.pid})"
    return f"{started.name}: runs already (pid {started.pid})"
