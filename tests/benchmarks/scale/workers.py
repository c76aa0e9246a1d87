"""A backlog drained by so many workers on this machine, from when each has its partitions."""

from contextlib import ExitStack
from pathlib import Path
from typing import Any

from infra.lag import behind
from streams.topology import RECOMMEND
from tests.benchmarks.events import Load
from tests.benchmarks.problems import BenchmarkError
from tests.benchmarks.processes import Mark
from tests.benchmarks.servers import Servers
from tests.benchmarks.statistics import rounded
from tests.benchmarks.workers import Worker, until

_LEAST_SHARE = 0.3
"""Of the events; what is drained before the last worker is there is not measured."""
_POLL_S = 0.1


def drained(servers: Servers, count: int, load: Load, folder: Path) -> dict[str, Any]:
    """`load` lies in the topic already. Each event is answered, so that each costs the same."""
    servers.forget()
    with ExitStack() as stack:
        workers = [
            stack.enter_context(Worker(servers, "each", folder / str(number), f"worker-{number}"))
            for number in range(1, count + 1)
        ]
        until(lambda: _is_shared(workers, load.partitions), f"{count} workers share the topic")
        # A worker counts no longer what it gave up, so only what is counted from here on is.
        begun, before = _marks(workers), _events(workers)
        ended, seen = begun, before

        def is_drained() -> bool:
            nonlocal ended, seen
            if (now := _events(workers)) == seen:
                return seen > before and behind(RECOMMEND, servers.settings) == 0
            ended, seen = _marks(workers), now
            return False

        until(is_drained, "the backlog is drained", _POLL_S)
        left = seen - before
        if left < _LEAST_SHARE * load.events:
            raise BenchmarkError(
                f"{left} of {load.events} events were left when {count} workers shared them;"
                " ask for more --events"
            )
        rss_bytes = sum(worker.peak_rss_bytes for worker in workers)
    seconds = max(mark.at_s for mark in ended) - min(mark.at_s for mark in begun)
    return {
        "events_measured": left,
        "events_per_s": rounded(left / seconds),
        "cpu_us_per_event": rounded(1e6 * _cpu_s(begun, ended) / left),
        "cores": rounded(_cpu_s(begun, ended) / seconds),
        "rss_mb": rounded(rss_bytes / 1e6),
    }


def _is_shared(workers: list[Worker], partitions: int) -> bool:
    held = [worker.open_partitions() for worker in workers]
    return sum(held) == partitions and max(held) - min(held) <= 1


def _marks(workers: list[Worker]) -> list[Mark]:
    return [worker.mark() for worker in workers]


def _events(workers: list[Worker]) -> int:
    return sum(worker.events() for worker in workers)


def _cpu_s(begun: list[Mark], ended: list[Mark]) -> float:
    return sum(end.cpu_s - begin.cpu_s for begin, end in zip(begun, ended, strict=True))
