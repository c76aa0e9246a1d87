"""One run of one setup: a worker, a generator, and the two readers beside it."""

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from confluent_kafka import TopicPartition

from infra.lag import behind
from schemas.topics import RECOMMENDATIONS, USER_EVENTS
from streams.settings import Settings
from streams.topology import RECOMMEND
from tests.benchmarks.latency import reader
from tests.benchmarks.latency.generator import NS, Plan
from tests.benchmarks.latency.waits import Waited, waited
from tests.benchmarks.processes import Mark, Measured
from tests.benchmarks.servers import Servers
from tests.benchmarks.statistics import latencies, rounded
from tests.benchmarks.workers import Slate, Worker, until, until_open

_CORE = 0
_START_S = 120.0
_QUIET_S = 1.0
_AFTERWARDS_S = 60.0
_CAUGHT_UP_POLL_S = 0.5


@dataclass(frozen=True)
class Setup:
    """What is measured. `asking_every`: one event of so many asks for a slate."""

    slate: Slate
    rate: int
    fetch_wait_ms: int
    asking_every: int = 1
    one_core: bool = False
    """The worker's threads share one core, as under `taskset -c 0`."""

    def __str__(self) -> str:
        asking = f", one of {self.asking_every} asks" if self.asking_every > 1 else ""
        where = ", one core" if self.one_core else ""
        return (
            f"{self.slate} slate, {self.rate} events/s{asking}, fetch_wait_ms"
            f" {self.fetch_wait_ms}{where}"
        )


@dataclass(frozen=True)
class People:
    """Who does what: the ids that events are made of."""

    users: Sequence[str]
    items: Sequence[str]


@dataclass(frozen=True)
class Span:
    """How long; what is scheduled within the first `warm_s` is not counted."""

    warm_s: float
    seconds: float


def measured(
    servers: Servers, setup: Setup, people: People, span: Span, folder: Path
) -> dict[str, Any]:
    """The figures; `folder` is for this run alone but for the worker's states beside it."""
    folder.mkdir(parents=True)
    plan = Plan(
        broker=servers.settings.kafka,
        rate=setup.rate,
        warm_s=span.warm_s,
        seconds=span.seconds,
        asking_every=setup.asking_every,
        users=[*people.users],
        items=[*people.items],
        seed=time.time_ns(),
        report=str(folder / "late.json"),
    )
    (folder / "plan.json").write_bytes(msgspec.json.encode(plan))
    with Worker(
        servers, setup.slate, folder.parent, folder.name, fetch_wait_ms=setup.fetch_wait_ms
    ) as worker:
        if setup.one_core:
            worker.pin(_CORE)
        until_open(worker, servers.settings.partitions)
        until(
            lambda: behind(RECOMMEND, servers.settings) == 0,
            "the worker has caught up",
            _CAUGHT_UP_POLL_S,
        )
        with (
            _reading(servers, USER_EVENTS.name, folder) as events,
            _reading(servers, RECOMMENDATIONS.name, folder) as slates,
        ):
            events.wait_for("ready", _START_S)
            slates.wait_for("ready", _START_S)
            begin, end, own = _loaded(servers, worker, span, folder)
            _until_quiet(servers)
            ended_ns = time.monotonic_ns()
            events.stop()
            slates.stop()
    since_ns = int(begin.at_s * NS)
    found = waited(
        reader.read(folder / f"{USER_EVENTS.name}.arrived"),
        reader.read(folder / f"{RECOMMENDATIONS.name}.arrived"),
        Settings().asking_kinds,
        since_ns,
        ended_ns,
    )
    late = msgspec.json.decode((folder / "late.json").read_bytes())
    return _figures(found, begin, end) | own | {"generator_late_p99_ms": late["p99_ms"]}


def warm_up(
    servers: Servers, setup: Setup, people: People, seconds: float, report: Callable[[str], None]
) -> None:
    """A load of which nothing is measured: the broker's JVM compiles what it runs."""
    report(f"{seconds:g} s of load that are not measured")
    measured(servers, setup, people, Span(0.0, seconds), servers.home.root / "runs" / "warm")


def _reading(servers: Servers, topic: str, folder: Path) -> Measured:
    program = [sys.executable, "-m", "tests.benchmarks.latency.reader"]
    arguments = [servers.settings.kafka, topic, str(folder / f"{topic}.arrived")]
    return Measured([*program, *arguments], {}, folder / f"reader-of-{topic}.log")


def _loaded(
    servers: Servers, worker: Worker, span: Span, folder: Path
) -> tuple[Mark, Mark, dict[str, float]]:
    """The worker's marks where what is measured begins and ends, and figures between them."""
    program = [sys.executable, "-m", "tests.benchmarks.latency.generator"]
    with Measured([*program, str(folder / "plan.json")], {}, folder / "generator.log") as load:
        load.wait_for("warm", _START_S + span.warm_s)
        before = _counted(servers, worker)
        begin = worker.mark()
        load.wait_for("done", _START_S + span.seconds)
        end = worker.mark()
        after = _counted(servers, worker)
        load.wait_for_end(_START_S)
    seconds = end.at_s - begin.at_s
    return begin, end, {name: rounded((after[name] - before[name]) / seconds) for name in after}


def _counted(servers: Servers, worker: Worker) -> dict[str, float]:
    """What grows, each by the name of its rate a second."""
    found = {"transactions_per_s": worker.metric("tidemill_commit_seconds_count")}
    return found | {f"{name}_core": cpu_s for name, cpu_s in servers.cpu_s().items()}


def _until_quiet(servers: Servers) -> None:
    """Nothing new could be read of the recommendations for a while, or too much still can."""
    parts = [
        TopicPartition(RECOMMENDATIONS.name, number)
        for number in range(servers.settings.partitions)
    ]
    ends, changed_s = servers.ends_of(parts), time.monotonic()
    began_s = changed_s
    while (now_s := time.monotonic()) - changed_s < _QUIET_S and now_s - began_s < _AFTERWARDS_S:
        time.sleep(_QUIET_S / 10)
        if (seen := servers.ends_of(parts)) != ends:
            ends, changed_s = seen, time.monotonic()


def _figures(found: Waited, begin: Mark, end: Mark) -> dict[str, Any]:
    slates, plain = latencies(found.for_slates), latencies(found.for_events)
    return {
        "events": len(found.for_events),
        "asks": len(found.for_slates),
        "unanswered": found.unanswered,
        "superseded": found.superseded,
        "fallback_share": rounded(found.fallbacks / max(1, found.slates)),
        **slates,
        **{f"plain_{name}": value for name, value in plain.items()},
        "p99_over_plain_ms": rounded(slates["p99_ms"] - plain["p99_ms"]),
        "core": rounded((end.cpu_s - begin.cpu_s) / (end.at_s - begin.at_s)),
    }
