"""All runs of all engines, in turn, on one topic; the document with medians and bars."""

from dataclasses import dataclass
from typing import Any

from infra.local.settings import LocalSettings
from tests.benchmarks import events, machine, servers
from tests.benchmarks.engine import memory
from tests.benchmarks.engine.bars import bars, memory_bars
from tests.benchmarks.engine.engines import ENGINES, Report
from tests.benchmarks.engine.measure import measured
from tests.benchmarks.events import Load
from tests.benchmarks.options import Chosen
from tests.benchmarks.problems import BenchmarkError
from tests.benchmarks.statistics import bar_rows, median_of


@dataclass(frozen=True)
class Options(Chosen):
    """What to measure."""

    benchmark = "engine"
    events: int = 1_000_000
    users: int = 50_000
    runs: int = 3
    engines: tuple[str, ...] = tuple(ENGINES)
    memory_users: int = 50_000
    """0 leaves the memory of a user out."""


def run(options: Options, local: LocalSettings, report: Report) -> dict[str, Any]:
    """The document of `tidemill bench engine`. Raises BenchmarkError, LocalError, TopicsError."""
    if unknown := set(options.engines) - set(ENGINES):
        raise BenchmarkError(
            f"there is no engine {', '.join(sorted(unknown))}; known are {', '.join(ENGINES)}"
        )
    chosen = [ENGINES[name] for name in ENGINES if name in options.engines]
    load = Load(options.events, options.users)
    for engine in chosen:
        engine.command(local.place, report)  # installed before anything is measured
    runs: list[dict[str, Any]] = []
    of_a_user = {}
    if options.memory_users:
        report(f"the memory of {options.memory_users} users")
        of_a_user = memory.measured(options.memory_users)
    with servers.running(local, load.partitions) as running:
        report(f"producing {load.events} events of {load.users} users")
        events.produce(running.settings.kafka, events.user_events(load))
        for number in range(1, options.runs + 1):
            for engine in chosen:
                count = min(load.events, engine.at_most or load.events)
                folder = running.home.root / "runs" / f"{engine.name}-{number}"
                found = measured(running, engine, count, folder, report)
                runs.append({"engine": engine.name, "run": number, **found})
                report(
                    f"run {number} of {options.runs}, {engine.name}:"
                    f" {found['cpu_us_per_event']} us of CPU an event,"
                    f" {found['events_per_s']:.0f} events/s, {found['rss_mb']:.0f} MB"
                )
    medians = {
        engine.name: median_of(
            [
                {k: v for k, v in run.items() if k not in ("engine", "run")}
                for run in runs
                if run["engine"] == engine.name
            ]
        )
        for engine in chosen
    }
    return {
        **machine.head(options.benchmark, options.command),
        "load": {
            "events": load.events,
            "users": load.users,
            "partitions": load.partitions,
            "bytes_per_event": events.EVENT_BYTES,
            "users_drawn": "uniformly",
            "compression": "none",
        },
        "engines": medians,
        "memory": of_a_user,
        "bars": [*bars(medians), *(memory_bars(of_a_user) if of_a_user else ())],
        "runs": runs,
    }


def tables(document: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """What a person is shown of the document."""
    columns = (
        "events",
        "cpu_us_per_event",
        "steady_cpu_us_per_event",
        "events_per_s",
        "steady_events_per_s",
        "rss_mb",
        "records_out_per_event",
    )
    engines = [
        {"engine": name} | {column: figures[column] for column in columns}
        for name, figures in document["engines"].items()
    ]
    return {"engines": engines, "bars": bar_rows(document["bars"])}
