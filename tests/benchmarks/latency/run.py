"""All setups in turn, several times; the document with medians and bars."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from infra.local.settings import LocalSettings
from tests.benchmarks import machine, model, servers
from tests.benchmarks.events import EVENT_BYTES
from tests.benchmarks.latency.bars import RATE, bars
from tests.benchmarks.latency.measure import People, Setup, Span, measured, warm_up
from tests.benchmarks.options import Chosen
from tests.benchmarks.problems import BenchmarkError
from tests.benchmarks.statistics import bar_rows, median_of
from tests.benchmarks.workers import Slate

Report = Callable[[str], None]
_SLATES: tuple[Slate, ...] = ("constant", "model")
_ITEMS = 10_000
COUNTED = (
    "from the time for which an ask was scheduled until a read_committed consumer has a"
    " recommendation of its user and surface whose cause is it or a newer ask; every ask counts,"
    " also one that is answered by a newer one's slate (superseded)"
)


@dataclass(frozen=True)
class Options(Chosen):
    """What to measure. `fetch_wait_ms`: all of them at 1,000 events/s, there also with all of the
    worker's threads on one core; else the last one.
    """

    benchmark = "latency"
    slates: tuple[str, ...] = _SLATES
    rates: tuple[int, ...] = (100, 1000, 5000)
    fetch_wait_ms: tuple[int, ...] = (13, 25)
    asking_every: int = 5
    """With the model, one event of so many asks; with a constant slate each does."""
    seconds: float = 15.0
    warm_s: float = 3.0
    broker_warm_s: float = 60.0
    """Of load before all else, which is not measured."""
    runs: int = 3
    users: int = 10_000
    """Of the constant slate; with the model they are the data set's."""
    partitions: int = 4
    dataset: str = "ml-100k"


def run(options: Options, local: LocalSettings, report: Report) -> dict[str, Any]:
    """The document of `tidemill bench latency`. Raises BenchmarkError, LocalError."""
    if unknown := set(options.slates) - set(_SLATES):
        raise BenchmarkError(f"there is no slate {', '.join(unknown)}; known are {_SLATES}")
    with_model = "model" in options.slates
    span = Span(options.warm_s, options.seconds)
    runs = []
    with servers.running(
        local, options.partitions, with_triton=with_model, as_shipped=True
    ) as running:
        people = {"constant": strangers(options.users)}
        if with_model:
            people["model"] = model.known_people(running, local, options.dataset, report)
        setups = [*_setups(options)]
        if options.broker_warm_s:
            warm_up(running, setups[0], people[setups[0].slate], options.broker_warm_s, report)
        for number in range(1, options.runs + 1):
            for place, setup in enumerate(setups):
                folder = running.home.root / "runs" / f"setup-{place}-run-{number}"
                found = measured(running, setup, people[setup.slate], span, folder)
                runs.append({**asdict(setup), "run": number, **found})
                report(
                    f"run {number} of {options.runs}, {setup}: p50 {found['p50_ms']}, p99"
                    f" {found['p99_ms']} ms (plain consumer {found['plain_p99_ms']}), core"
                    f" {found['core']}, fallbacks {found['fallback_share']:.1%}"
                )
    medians = [
        asdict(setup)
        | median_of(
            [
                {name: value for name, value in run.items() if name != "run"}
                for run in runs
                if asdict(setup).items() <= run.items()
            ]
        )
        for setup in setups
    ]
    return {
        **machine.head(options.benchmark, options.command),
        "load": {
            "partitions": options.partitions,
            "workers": 1,
            "bytes_per_event": EVENT_BYTES,
            "seconds": options.seconds,
            "warm_s": options.warm_s,
            "counted": COUNTED,
        },
        "setups": medians,
        "bars": bars(medians),
        "runs": runs,
    }


def strangers(users: int) -> People:
    """Of whom nothing is known before."""
    return People(
        [f"user-{number:07d}" for number in range(users)],
        [f"item-{number:05d}" for number in range(_ITEMS)],
    )


def tables(document: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """What a person is shown of the document."""
    columns = (
        "slate",
        "rate",
        "fetch_wait_ms",
        "one_core",
        "p50_ms",
        "p99_ms",
        "p99_9_ms",
        "plain_p99_ms",
        "p99_over_plain_ms",
        "core",
        "transactions_per_s",
        "fallback_share",
    )
    rows = [{column: setup[column] for column in columns} for setup in document["setups"]]
    return {"latency": rows, "bars": bar_rows(document["bars"])}


def _setups(options: Options) -> Iterator[Setup]:
    asking_every: Mapping[Slate, int] = {"constant": 1, "model": options.asking_every}
    waits = options.fetch_wait_ms
    for slate in _SLATES:
        for rate in options.rates if slate in options.slates else ():
            for wait_ms in waits if rate == RATE else waits[-1:]:
                for one_core in (False, True) if rate == RATE else (False,):
                    yield Setup(slate, rate, wait_ms, asking_every[slate], one_core)
