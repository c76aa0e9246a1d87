"""All real servers of one home together: `up`, `down`, `status`; what the command line calls.

Workers are not described here: `infra.workers` does that with `Endpoints.environment`, and
`infra.supervise` keeps them running; `down` and `status` know them by their records.
"""

import shutil
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass

import msgspec

from infra.local import clickhouse, kafka, prometheus, supervisor, triton
from infra.local.install import install
from infra.local.ports import HOST, free_port
from infra.local.settings import LocalSettings
from infra.local.supervisor import Server, State

_PORTS = tuple(name for name in LocalSettings.model_fields if name.endswith("_port"))


class Endpoints(msgspec.Struct, frozen=True):
    """Where each server listens; the file <home>/run/endpoints.json from `up` to `down`."""

    kafka_port: int
    kafka_controller_port: int
    triton_http_port: int
    triton_grpc_port: int
    triton_metrics_port: int
    clickhouse_port: int
    clickhouse_http_port: int
    prometheus_port: int
    clickhouse_database: str

    @property
    def kafka(self) -> str:
        return f"{HOST}:{self.kafka_port}"

    @property
    def triton(self) -> str:
        """gRPC, as the workers' setting wants it."""
        return f"{HOST}:{self.triton_grpc_port}"

    @property
    def triton_metrics(self) -> str:
        return f"http://{HOST}:{self.triton_metrics_port}/metrics"

    @property
    def clickhouse(self) -> str:
        """Native protocol."""
        return f"{HOST}:{self.clickhouse_port}"

    @property
    def clickhouse_http(self) -> str:
        return f"http://{HOST}:{self.clickhouse_http_port}"

    @property
    def prometheus(self) -> str:
        return f"http://{HOST}:{self.prometheus_port}"

    def environment(self) -> dict[str, str]:
        """What a worker must be told to use these servers."""
        return {
            "TIDEMILL_KAFKA": self.kafka,
            "TIDEMILL_TRITON": self.triton,
            "TIDEMILL_CLICKHOUSE": self.clickhouse,
            "TIDEMILL_CLICKHOUSE_DATABASE": self.clickhouse_database,
        }


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
    chosen = _chosen(settings)
    home.run.mkdir(parents=True, exist_ok=True)
    unfinished = home.endpoints.with_suffix(".new")
    unfinished.write_bytes(msgspec.json.format(msgspec.json.encode(chosen)))
    unfinished.replace(home.endpoints)
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


def down(settings: LocalSettings) -> tuple[str, ...]:
    """Stop everything that runs in the home, workers first; the names of what ran."""
    home = settings.place
    stopped = supervisor.stop(home.run)
    for told in (home.endpoints, home.scrape_targets, home.wanted, home.kept):
        told.unlink(missing_ok=True)
    return stopped


def endpoints(settings: LocalSettings) -> Endpoints | None:
    """Where the servers are, if `up` was called and `down` was not."""
    with suppress(OSError, msgspec.MsgspecError):
        return msgspec.json.decode(settings.place.endpoints.read_bytes(), type=Endpoints)
    return None


def status(settings: LocalSettings) -> tuple[Status, ...]:
    """Each started process, in the order of the starts; empty where nothing is up."""
    states = supervisor.states(settings.place.run)
    chosen = endpoints(settings)
    asked: dict[str, Server] = {}
    if chosen is not None and any(state.running for state in states):
        asked = {server.name: server for server in _servers(settings, chosen)}

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
    if chosen is not None:
        address = f"{HOST}:{chosen.triton_metrics_port}"
        groups.append(prometheus.Targets([address], {"process": "triton"}))
    prometheus.write_targets(settings.place, groups)


def _chosen(settings: LocalSettings) -> Endpoints:
    """The settings' ports; for each 0 the one chosen by the last `up`, or a free one."""
    before = endpoints(settings)
    fixed = {name: getattr(settings, name) for name in _PORTS}
    for name, port in fixed.items():
        if port == 0:
            taken = frozenset(fixed.values())
            fixed[name] = getattr(before, name) if before is not None else free_port(taken)
    return Endpoints(**fixed, clickhouse_database=settings.clickhouse_database)


def _servers(settings: LocalSettings, chosen: Endpoints) -> Iterator[Server]:
    home = settings.place
    times = {
        "ready_timeout_s": settings.ready_timeout_s,
        "stop_timeout_s": settings.stop_timeout_s,
    }
    yield kafka.server(
        home,
        kafka.Kafka(
            chosen.kafka_port, chosen.kafka_controller_port, settings.kafka_heap_mb, **times
        ),
    )
    yield triton.server(
        home,
        triton.Triton(
            chosen.triton_http_port,
            chosen.triton_grpc_port,
            chosen.triton_metrics_port,
            settings.triton_python_memory_mb,
            **times,
        ),
    )
    yield clickhouse.server(
        home,
        clickhouse.ClickHouse(
            chosen.clickhouse_port,
            chosen.clickhouse_http_port,
            settings.clickhouse_memory_mb,
            chosen.clickhouse_database,
            **times,
        ),
    )
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
