"""Every setting of the local servers, with its default, unit and reason; each is TIDEMILL_<NAME>.

Read once by the command line and the tests, and handed on. A port of 0 means 'choose a free one'
(`infra.local.servers` does). All servers listen on 127.0.0.1 only, they have no passwords; Kafka
alone can be told another address, where the regions are on several machines.
"""

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from infra.local.home import Home
from infra.local.ports import HOST

_CHECKOUT = Path(__file__).resolve().parents[2]


def _port(number: int, description: str) -> int:
    field: int = Field(
        default=number, ge=0, le=65535, description=f"{description}; 0 takes a free one"
    )
    return field


class LocalSettings(BaseSettings):
    """Read from the environment once, when a command starts."""

    model_config = SettingsConfigDict(env_prefix="TIDEMILL_", frozen=True, extra="ignore")

    home: Path = Field(
        default=_CHECKOUT / ".tidemill", description="data, logs and tools; removing it removes all"
    )
    tools: Path | None = Field(
        default=None,
        description="installed servers; home/tools where not given, several homes may share",
    )
    releases: Path | None = Field(
        default=None,
        description="what was trained; home/releases where not given, several homes may share",
    )

    artifacts: str = Field(
        default="",
        description="URL of the store that releases are put into (file, s3, webhdfs, whatever "
        "fsspec reads), seen by every worker; empty: the releases folder of this machine",
    )

    kafka_host: str = Field(
        default=HOST,
        pattern=r"^[\w.-]+$",
        description="where Kafka listens and tells its clients to find it: an address of this"
        " machine that the mirrors and probers of others reach; who reaches it may read and write",
    )
    kafka_port: int = _port(9092, "Kafka, for clients")
    kafka_controller_port: int = _port(9093, "Kafka, KRaft controller")
    triton_http_port: int = _port(8000, "Triton, HTTP")
    triton_grpc_port: int = _port(8001, "Triton, gRPC: what the workers use")
    triton_metrics_port: int = _port(8002, "Triton, for Prometheus")
    triton_replicas: int = Field(
        default=1,
        ge=1,
        le=8,
        description="Tritons; the ports of each further one are 10 higher, its models are in memory"
        " once more",
    )
    clickhouse_port: int = _port(9000, "ClickHouse, native protocol")
    clickhouse_http_port: int = _port(8123, "ClickHouse, HTTP: what Grafana uses")
    clickhouse_replicas: int = Field(
        default=1,
        ge=1,
        le=8,
        description="ClickHouses, each with the whole archive and an archive worker that fills it;"
        " the ports of each further one are 10 higher",
    )
    prometheus_port: int = _port(9090, "Prometheus")
    mirror_port: int = _port(8083, "MirrorMaker, where several regions run here")

    kafka_heap_mb: int = Field(
        default=192, ge=64, description="96 suffices for one user; records of 5 MiB need more"
    )
    mirror_heap_mb: int = Field(
        default=384, ge=64, description="128 suffices while no record is larger than some MiB"
    )
    clickhouse_memory_mb: int = Field(
        default=1024, ge=256, description="one query may use this; the server is a laptop's"
    )
    clickhouse_database: str = Field(
        default="tidemill", description="where the archive's tables are"
    )
    triton_python_memory_mb: int = Field(
        default=4,
        ge=1,
        description="shared memory of each model between Triton and its Python; it grows, and a "
        "container may have 64 in all",
    )
    scrape_interval_s: int = Field(
        default=5, ge=1, description="how often Prometheus asks each target"
    )
    prometheus_retention: str = Field(
        default="7d", pattern=r"^\d+[hdwy]$", description="how long it keeps"
    )

    ready_timeout_s: float = Field(
        default=120,
        gt=0,
        description="until a server must answer; loading torch is slow on a busy machine",
    )
    stop_timeout_s: float = Field(default=30, gt=0, description="from SIGTERM to SIGKILL")
    log_limit_bytes: int = Field(
        default=10 * 1024 * 1024, ge=0, description="a larger log is put aside at the next start"
    )

    @property
    def place(self) -> Home:
        root = self.home.expanduser().resolve()
        tools = (self.tools or root / "tools").expanduser().resolve()
        releases = self.releases and self.releases.expanduser().resolve()
        return Home(root, tools, releases, self.artifacts)
