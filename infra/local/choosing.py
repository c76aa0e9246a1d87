"""Which port each server of a home gets: that of the settings, or where they say 0 a free one that
stays the same from `up` to `up`. Called by `infra.local.servers`.
"""

from collections.abc import Iterator, Sequence

from msgspec.structs import astuple

from infra.local.endpoints import ClickHousePorts, Endpoints, TritonPorts
from infra.local.ports import free_port
from infra.local.settings import LocalSettings

_PORTS = tuple(name for name in LocalSettings.model_fields if name.endswith("_port"))
_APART = 10
"""Between the ports of two servers of a kind: regions are 100 apart."""


def choose(settings: LocalSettings, before: Endpoints | None) -> Endpoints:
    """For each port of 0 the one that `before`, the last `up`, chose, or a free one."""
    fixed = {name: getattr(settings, name) for name in _PORTS}
    for name, port in fixed.items():
        if port == 0:
            others = frozenset(fixed.values())
            fixed[name] = getattr(before, name) if before is not None else free_port(others)
    taken = set(fixed.values())
    tritons = _beside(
        (settings.triton_http_port, settings.triton_grpc_port, settings.triton_metrics_port),
        settings.triton_replicas,
        [astuple(ports) for ports in before.more_tritons] if before else [],
        taken,
    )
    clickhouses = _beside(
        (settings.clickhouse_port, settings.clickhouse_http_port),
        settings.clickhouse_replicas,
        [astuple(ports) for ports in before.more_clickhouses] if before else [],
        taken,
    )
    return Endpoints(
        **fixed,
        kafka_host=settings.kafka_host,
        clickhouse_database=settings.clickhouse_database,
        region="" if before is None else before.region,
        peers={} if before is None else before.peers,
        more_tritons=tuple(TritonPorts(*ports) for ports in tritons),
        more_clickhouses=tuple(ClickHousePorts(*ports) for ports in clickhouses),
    )


def _beside(
    first: Sequence[int], replicas: int, before: Sequence[Sequence[int]], taken: set[int]
) -> Iterator[list[int]]:
    """Of each further one: where a port of the first is a free one, so is its own. `before`: what
    the last `up` chose.
    """
    for number in range(1, replicas):
        chosen = []
        for place, of_first in enumerate(first):
            port = of_first + number * _APART if of_first else 0
            if not port and number <= len(before):
                port = before[number - 1][place]
            chosen.append(port or free_port(frozenset(taken)))
            taken.add(chosen[-1])
        yield chosen
