"""Where each server of a home listens: the file <home>/run/endpoints.json, from `up` to `down`.

Written by `infra.local.servers`, read by all who use the servers.
"""

from contextlib import suppress

import msgspec

from infra.local.home import Home
from infra.local.ports import HOST


class Endpoints(msgspec.Struct, frozen=True):
    """`peers`: the Kafka of each other region that is mirrored into this one, `region`; none where
    there is no mirror.
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
