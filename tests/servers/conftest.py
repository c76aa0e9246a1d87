"""The real servers for tests: each is started when the first test asks for it, once a run.

They live in a temporary home with free ports, share the checkout's installed tools, and are
stopped at the end, also after Ctrl-C. A test that stops or pauses a server starts it again, and
leaves nothing in it that another test would meet: `fresh_kafka` gives a test empty topics.
"""

import signal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from infra import topics
from infra.local import clickhouse as clickhouse_server
from infra.local import kafka as kafka_server
from infra.local import ports, supervisor
from infra.local import prometheus as prometheus_server
from infra.local import triton as triton_server
from infra.local.home import Home
from infra.local.install.steps import install
from infra.local.settings import LocalSettings
from infra.local.supervisor import Server, records
from tests.servers import pair as regions
from tests.servers.workers import WORKER, Worker

REGION = "east"
PARTITIONS = 8


@dataclass
class Running:
    """One real server that a test may stop, start, kill, pause and resume; ports and data stay."""

    home: Home
    server: Server

    @property
    def log(self) -> Path:
        return self.home.logs / f"{self.server.name}.log"

    @property
    def process(self) -> psutil.Process:
        record = records.read(self.home.run, self.server.name)
        process = record.process() if record else None
        assert process is not None, f"{self.server.name} does not run"
        return process

    def start(self) -> None:
        supervisor.start(self.home, [self.server])

    def stop(self) -> None:
        supervisor.stop(self.home.run, [self.server.name])

    def kill(self) -> None:
        """SIGKILL, as a power cut would look to everybody else."""
        process = self.process
        family = [process, *process.children(recursive=True)]
        for member in family:
            member.kill()
        psutil.wait_procs(family, timeout=30)
        self.stop()

    def pause(self) -> None:
        """It keeps its connections and answers nothing."""
        process = self.process
        for member in (process, *process.children(recursive=True)):
            member.suspend()

    def resume(self) -> None:
        process = self.process
        for member in (*process.children(recursive=True), process):
            member.resume()


@dataclass
class RunningKafka(Running):
    bootstrap: str


@dataclass
class RunningTriton(Running):
    grpc_url: str
    metrics_url: str
    repository: Path
    """Folders <model>/<version>/ put here can be loaded by request."""


@dataclass
class RunningClickHouse(Running):
    address: str
    """host:port of the native protocol; the user `default` without a password."""
    host: str
    port: int
    http_url: str
    database: str


@dataclass
class RunningPrometheus(Running):
    url: str

    def scrape(self, *addresses: str) -> None:
        """Replace what is scraped, each host:port."""
        targets = prometheus_server.Targets(addresses, {"region": REGION})
        prometheus_server.write_targets(self.home, [targets] if addresses else [])


@pytest.fixture(scope="session")
def tools() -> Path:
    """Where the servers are installed; installs what is missing, once a machine."""
    place = LocalSettings().place
    install(place.tools, print)
    return place.tools


@pytest.fixture(scope="session")
def servers_home(tools: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """The run's own home; whatever still runs in it at the end is stopped."""
    home = Home(tmp_path_factory.mktemp("home"), tools)
    # A cancelled job is told by SIGTERM; as an interrupt it ends through here, too.
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    yield home
    supervisor.stop(home.run)
    signal.signal(signal.SIGTERM, before)


@pytest.fixture(scope="session")
def kafka(servers_home: Home) -> RunningKafka:
    """A broker without topics; most tests want `fresh_kafka`."""
    port, controller_port = _ports(2)
    description = kafka_server.Kafka(port, controller_port)
    running = RunningKafka(
        servers_home, kafka_server.server(servers_home, description), description.bootstrap
    )
    running.start()
    return running


@pytest.fixture(scope="session")
def triton(servers_home: Home) -> RunningTriton:
    """Triton with an empty repository under explicit control: a test loads what it needs."""
    return _triton(servers_home, "triton")


@pytest.fixture(scope="session")
def second_triton(servers_home: Home) -> RunningTriton:
    """Another one beside it, with the same repository and nothing loaded either."""
    return _triton(servers_home, "triton-2")


def _triton(home: Home, name: str) -> RunningTriton:
    http_port, grpc_port, metrics_port = _ports(3)
    description = triton_server.Triton(http_port, grpc_port, metrics_port, name=name)
    running = RunningTriton(
        home,
        triton_server.server(home, description),
        description.grpc_url,
        f"http://{ports.HOST}:{metrics_port}/metrics",
        home.triton,
    )
    running.start()
    return running


@pytest.fixture(scope="session")
def clickhouse(servers_home: Home) -> RunningClickHouse:
    """ClickHouse with an empty database; a test makes one of its own or drops what it made."""
    return _clickhouse(servers_home, "clickhouse")


@pytest.fixture(scope="session")
def second_clickhouse(servers_home: Home) -> RunningClickHouse:
    """Another one beside it, that knows nothing of the first; a test may throw its disk away."""
    return _clickhouse(servers_home, "clickhouse-2")


def _clickhouse(home: Home, name: str) -> RunningClickHouse:
    port, http_port = _ports(2)
    description = clickhouse_server.ClickHouse(port, http_port, name=name)
    running = RunningClickHouse(
        home,
        clickhouse_server.server(home, description),
        description.address,
        ports.HOST,
        port,
        f"http://{ports.HOST}:{http_port}",
        description.database,
    )
    running.start()
    return running


@pytest.fixture(scope="session")
def prometheus(servers_home: Home) -> RunningPrometheus:
    """Prometheus that scrapes each second what a test tells it to."""
    description = prometheus_server.Prometheus(_ports(1)[0], scrape_interval_s=1)
    running = RunningPrometheus(
        servers_home, prometheus_server.server(servers_home, description), description.url
    )
    running.start()
    return running


@pytest.fixture
def fresh_kafka(kafka: RunningKafka) -> RunningKafka:
    """The broker with the declared topics, all empty, and no consumer group; about a second."""
    topics.recreate(kafka.bootstrap, PARTITIONS, REGION)
    return kafka


@pytest.fixture
def start_worker(fresh_kafka: RunningKafka, tmp_path: Path) -> Iterator[Callable[..., Worker]]:
    """Starts real workers on the empty broker, and stops them behind the test.

    Nobody listens where their Triton should be, unless the test says where it is.
    """
    started: list[Worker] = []

    def start(
        stage: str = "recommend", *, program: Sequence[str] = WORKER, **settings: object
    ) -> Worker:
        given = {
            "kafka": fresh_kafka.bootstrap,
            "partitions": PARTITIONS,
            "triton": "127.0.0.1:1",
            **settings,
        }
        log = tmp_path / f"{stage}-{len(started)}.log"
        started.append(Worker(stage, log, given, tuple(program)))
        return started[-1].start()

    yield start
    for worker in started:
        worker.stop()


@pytest.fixture(scope="module")
def pair(tools: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[regions.Pair]:
    """The regions east and west, which mirror each other; 15 s, so once for a module."""
    yield from regions.started(tmp_path_factory.mktemp("pair"), tools)


def _ports(count: int) -> list[int]:
    chosen: list[int] = []
    while len(chosen) < count:
        chosen.append(ports.free_port(frozenset(chosen)))
    return chosen
