"""One worker with many partitions, at a service's pace: what each partition costs in delay."""

from pathlib import Path
from typing import Any

from tests.benchmarks.latency.measure import People, Setup, Span, measured
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
    servers: Servers, setup: Setup, people: People, span: Span, folder: Path
) -> dict[str, Any]:
    """`folder` for the worker's states too: of other topics than those of the run before."""
    found = measured(servers, setup, people, span, folder / "run")
    return {name: found[name] for name in _FIGURES}
