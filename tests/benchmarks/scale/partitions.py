"""One worker with many partitions, at a service's pace: what each partition costs in delay."""

from pathlib import Path
from typing import Any

from tests.benchmarks.latency.measure import Setup, Span, measured
from tests.benchmarks.latency.run import strangers
from tests.benchmarks.servers import Servers

_FIGURES = (
    "p50_ms",
    "p99_ms",
    "p99_9_ms",
    "plain_p99_ms",
    "p99_over_plain_ms",
    "core",
    "transactions_per_s",
    "kafka_core",
    "unanswered",
)


def paced(
    servers: Servers, partitions: int, setup: Setup, users: int, span: Span, folder: Path
) -> dict[str, Any]:
    """On topics made anew."""
    anew = servers.anew(partitions)
    found = measured(anew, setup, strangers(users), span, folder / "run")
    return {name: found[name] for name in _FIGURES}
