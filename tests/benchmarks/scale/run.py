"""The three curves, one after the other; the document, and what draws it."""

import itertools
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.local.settings import LocalSettings
from tests.benchmarks import events, machine, servers
from tests.benchmarks.events import EVENT_BYTES, Load
from tests.benchmarks.latency.bars import RATE
from tests.benchmarks.latency.measure import Setup, Span, warm_up
from tests.benchmarks.latency.run import strangers
from tests.benchmarks.options import Chosen
from tests.benchmarks.peers import install
from tests.benchmarks.problems import BenchmarkError
from tests.benchmarks.processes import CHECKOUT
from tests.benchmarks.scale.partitions import paced
from tests.benchmarks.scale.users import Drain, grown
from tests.benchmarks.scale.workers import drained
from tests.benchmarks.servers import Servers
from tests.benchmarks.statistics import bar, bar_rows, median_of

Report = Callable[[str], None]
Rows = list[dict[str, Any]]
_P99_MS, _CORE = 100.0, 0.5
_MANY = 32
_PARTS = ("workers", "partitions", "users")
_SHOWN = (
    "users",
    "disk_mb",
    "changelog_mb",
    "restore_local_s",
    "restore_changelog_s",
    "hot_cpu_us_per_event",
    "cold_cpu_us_per_event",
    "hot_states_written_per_event",
)
"""Of the users, to a person."""


@dataclass(frozen=True)
class Options(Chosen):
    """What to measure."""

    benchmark = "scale"
    parts: tuple[str, ...] = _PARTS
    workers: tuple[int, ...] = (1, 2, 4)
    events: int = 2_000_000
    """The backlog that the workers drain."""
    partitions: tuple[int, ...] = (4, 32, 64)
    """On one worker; each also with all of the worker's threads on one core."""
    fetch_wait_ms: int = 10
    """Of the partitions: many of them gather by the pace of the transactions."""
    rate: int = RATE
    seconds: float = 10.0
    warm_s: float = 3.0
    broker_warm_s: float = 60.0
    """Of load before the partitions, which is not measured."""
    users: tuple[int, ...] = (10_000, 100_000, 1_000_000)
    drained: int = 300_000
    """Events of these users, twice."""
    flush_s: float = 5.0
    runs: int = 3
    """Of the workers and the partitions; the restores of each number of users too."""


def run(options: Options, local: LocalSettings, report: Report) -> dict[str, Any]:
    """The document of `tidemill bench scale`. Raises BenchmarkError, LocalError."""
    if unknown := set(options.parts) - set(_PARTS):
        raise BenchmarkError(f"there is no part {', '.join(unknown)}; known are {_PARTS}")
    measured: dict[str, tuple[Rows, Rows]] = {}
    with servers.running(local, Load().partitions, as_shipped=True) as running:
        for part in _PARTS:
            if part in options.parts:
                measured[part] = _MEASURED[part](options, running, report)
    medians = {part: rows for part, (rows, _) in measured.items()}
    return {
        **machine.head(options.benchmark, options.command),
        "load": {
            "events": options.events,
            "drained": options.drained,
            "rate": options.rate,
            "seconds": options.seconds,
            "flush_s_of_users": options.flush_s,
            "bytes_per_event": EVENT_BYTES,
            "answered": "each event of workers and users, the newest of a batch of partitions",
        },
        **medians,
        "bars": [*_bars(medians)],
        "runs": {part: runs for part, (_, runs) in measured.items()},
    }


def draw(document: Path, local: LocalSettings, report: Report) -> None:
    """The curve beside the document, as PNG."""
    picture = document.with_suffix(".png")
    python = install.python(local.place.tools, report)
    command = [str(python), "-m", "tests.benchmarks.peers.curve", str(document), str(picture)]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BenchmarkError(f"the curve could not be drawn: {done.stderr.strip()[-500:]}")
    report(f"drawn: {picture}")


def tables(document: dict[str, Any]) -> dict[str, Rows]:
    """What a person is shown of the document."""
    found = {part: document[part] for part in _PARTS if part in document}
    if "users" in found:
        found["users"] = [{name: row[name] for name in _SHOWN} for row in found["users"]]
    return found | {"bars": bar_rows(document["bars"])}


def _workers(options: Options, running: Servers, report: Report) -> tuple[Rows, Rows]:
    load = Load(options.events)
    anew = running.anew(load.partitions)
    report(f"producing {load.events} events of {load.users} users")
    events.produce(anew.settings.kafka, events.user_events(load))
    runs = []
    for number in range(1, options.runs + 1):
        for count in options.workers:
            folder = running.home.root / "runs" / f"{count}-workers-{number}"
            found = {"workers": count, **drained(anew, count, load, folder)}
            runs.append(found)
            report(
                f"run {number} of {options.runs}, {count} workers: {found['events_per_s']:.0f}"
                f" events/s, {found['cpu_us_per_event']} us of CPU an event"
            )
    return _medians(runs, "workers"), runs


def _partitions(options: Options, running: Servers, report: Report) -> tuple[Rows, Rows]:
    people, span = strangers(options.users[0]), Span(options.warm_s, options.seconds)
    setups = [
        Setup("constant", options.rate, options.fetch_wait_ms, one_core=one_core)
        for one_core in (False, True)
    ]
    if options.broker_warm_s:
        anew = running.anew(max(options.partitions))
        warm_up(anew, setups[0], people, options.broker_warm_s, report)
    runs = []
    for number in range(1, options.runs + 1):
        for count, setup in itertools.product(options.partitions, setups):
            folder = running.home.root / "runs" / f"partitions-{len(runs)}"
            found = {"partitions": count, "one_core": setup.one_core}
            found |= paced(running.anew(count), setup, people, span, folder)
            runs.append(found)
            report(
                f"run {number} of {options.runs}, {count} partitions, {setup}: p99"
                f" {found['p99_ms']} ms (plain consumer {found['plain_p99_ms']}), core"
                f" {found['core']}"
            )
    return _medians(runs, "partitions", "one_core"), runs


def _users(options: Options, running: Servers, report: Report) -> tuple[Rows, Rows]:
    drain = Drain(options.drained, options.runs, options.flush_s)
    rows = []
    for count in options.users:
        folder = running.home.root / "runs" / f"{count}-users"
        found = grown(running, count, drain, folder, report)
        rows.append(found)
        report(
            f"{count} users: {found['hot_cpu_us_per_event']} us of CPU an event in memory,"
            f" {found['cold_cpu_us_per_event']} from the store, restored in"
            f" {found['restore_local_s']} s, from the changelog in"
            f" {found['restore_changelog_s']} s"
        )
    return rows, rows


_MEASURED: dict[str, Callable[[Options, Servers, Report], tuple[Rows, Rows]]] = {
    "workers": _workers,
    "partitions": _partitions,
    "users": _users,
}


def _medians(runs: Sequence[dict[str, Any]], *names: str) -> Rows:
    """Of each setup: what these figures say together."""
    setups: dict[tuple[Any, ...], Rows] = {}
    for run in runs:
        setups.setdefault(tuple(run[name] for name in names), []).append(run)
    return [median_of(found) for found in setups.values()]


def _bars(medians: dict[str, Rows]) -> Rows:
    """The quickest within the core; where none is, the cheapest, and missed."""
    many = [row for row in medians.get("partitions", ()) if row["partitions"] == _MANY]
    if not many:
        return []
    within = [row for row in many if row["core"] <= _CORE]
    best = min(within or many, key=lambda row: row["p99_ms" if within else "core"])
    return [
        bar(f"p99 of {_MANY} partitions, ms", best["p99_ms"], at_most=_P99_MS),
        bar(f"core of {_MANY} partitions", best["core"], at_most=_CORE),
    ]
