"""Where each server of a home listens: the file <home>/run/endpoints.json, from `up` to `down`.

Written by `infra.local.servers`, read by all who use the servers.
"""

from contextlib import suppress

import msgspec

from infra.local.home import Home
from infra.local.ports import HOST


class TritonPorts(msgspec.Struct, frozen=True):
    http: int
    grpc: int
    metrics: int


class ClickHousePorts(msgspec.Struct, frozen=True):
    native: int
    http: int


class Endpoints(msgspec.Struct, frozen=True):
    """`peers`: the Kafka of each other region that is mirrored into this one, `region`; none where
    there is no mirror. `more_tritons`, `more_clickhouses`: those beside the first.
    """

    kafka_port: int
    kafka_controller_port: int
    triton_http_port: int
    triton_grpc_port: int
    triton_metrics_port: int
    clickhouse_port: int
    clickhouse_http_port: int
    prometheus_port: int
    mirror_port: int
    clickhouse_database: str
    region: str = ""
    peers: dict[str, str] = {}
    more_tritons: tuple[TritonPorts, ...] = ()
    more_clickhouses: tuple[ClickHousePorts, ...] = ()
    kafka_host: str = HOST

    @property
    def kafka(self) -> str:
        return f"{self.kafka_host}:{self.kafka_port}"

    @property
    def all_tritons(self) -> dict[str, TritonPorts]:
        """By the names of their processes."""
        first = TritonPorts(self.triton_http_port, self.triton_grpc_port, self.triton_metrics_port)
        more = {f"triton-{n}": ports for n, ports in enumerate(self.more_tritons, start=2)}
        return {"triton": first, **more}

    @property
    def tritons(self) -> tuple[str, ...]:
        """gRPC, as the workers' setting wants them."""
        return tuple(f"{HOST}:{ports.grpc}" for ports in self.all_tritons.values())

    @property
    def tritons_metrics(self) -> tuple[str, ...]:
        return tuple(
            f"http://{HOST}:{ports.metrics}/metrics" for ports in self.all_tritons.values()
        )

    @property
    def all_clickhouses(self) -> dict[str, ClickHousePorts]:
        """By the names of their processes."""
        first = ClickHousePorts(self.clickhouse_port, self.clickhouse_http_port)
        more = {f"clickhouse-{n}": ports for n, ports in enumerate(self.more_clickhouses, start=2)}
        return {"clickhouse": first, **more}

    @property
    def clickhouses(self) -> tuple[str, ...]:
        """Native protocol."""
        return tuple(f"{HOST}:{ports.native}" for ports in self.all_clickhouses.values())

    @property
    def clickhouses_http(self) -> tuple[str, ...]:
        return tuple(f"http://{HOST}:{ports.http}" for ports in self.all_clickhouses.values())

    @property
    def prometheus(self) -> str:
        return f"http://{HOST}:{self.prometheus_port}"

    def environment(self) -> dict[str, str]:
        """What a worker must be told to use these servers."""
        return {
            "TIDEMILL_KAFKA": self.kafka,
            "TIDEMILL_TRITON": ",".join(self.tritons),
            "TIDEMILL_CLICKHOUSE": ",".join(self.clickhouses),
            "TIDEMILL_CLICKHOUSE_DATABASE": self.clickhouse_database,
        }


def read(home: Home) -> Endpoints | None:
    """None where there is none, also where it is another release's."""
    with suppress(OSError, msgspec.MsgspecError):
        return msgspec.json.decode(home.endpoints.read_bytes(), type=Endpoints)
    return None


def write(home: Home, chosen: Endpoints) -> None:
    home.run.mkdir(parents=True, exist_ok=True)
    unfinished = home.endpoints.with_suffix(".new")
    unfinished.write_bytes(msgspec.json.format(msgspec.json.encode(chosen)))
    unfinished.replace(home.endpoints)
