"""The worker against Triton alone, in turn, several times; the document with medians and bars."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from infra import control
from infra.lag import behind
from infra.local.settings import LocalSettings
from schemas.serving import MAX_USERS, MODEL
from streams.topology import RECOMMEND
from tests.benchmarks import machine, model, servers
from tests.benchmarks.options import Chosen
from tests.benchmarks.problems import BenchmarkError
from tests.benchmarks.processes import CHECKOUT
from tests.benchmarks.score import asking
from tests.benchmarks.score.drain import drained, send
from tests.benchmarks.score.load import Plan
from tests.benchmarks.servers import Servers
from tests.benchmarks.statistics import bar, bar_rows, median_of, rounded
from tests.benchmarks.workers import Worker, until, until_open

Report = Callable[[str], None]
_SHARE = 0.8
_FALLBACKS = 0.01
_SESSION_MS = 300_000
"""Longer than the worker is paused."""
_POLL_S = 0.5


@dataclass(frozen=True)
class Options(Chosen):
    """What to measure. `past`: how many items a user has in his history."""

    benchmark = "score"
    users: int = 20_000
    past: int = 20
    in_flight: tuple[int, ...] = (1, 2, 4, 8)
    seconds: float = 4.0
    """Of Triton alone, for each number of requests in flight."""
    runs: int = 3
    partitions: int = 4
    dataset: str = "ml-100k"


def run(options: Options, local: LocalSettings, report: Report) -> dict[str, Any]:
    """The document of `tidemill bench score`. Raises BenchmarkError, LocalError."""
    runs: list[dict[str, Any]] = []
    with servers.running(local, options.partitions, with_triton=True) as running:
        log = model.released(running, local, options.dataset, report)
        pasts = model.pasts(log, options.past)
        report(f"producing the past of {options.users} users")
        send(running, asking.views(options.users, pasts))
        folder = running.home.root / "runs"
        with Worker(running, "model", folder, "worker", session_timeout_ms=_SESSION_MS) as worker:
            until_open(worker, options.partitions)
            until(
                lambda: behind(RECOMMEND, running.settings) == 0,
                "the worker has caught up",
                _POLL_S,
            )
            plan = _plan(options, running, pasts)
            for number in range(1, options.runs + 1):
                alone = _triton_alone(plan, folder)
                best = max(alone.values())
                found = drained(running, worker, asking.asks(options.users, number))
                share = rounded(found["slates_per_s"] / best)
                runs.append({"run": number, "triton_per_s": best, "share": share, **found})
                runs[-1] |= {f"triton_per_s_{n}_in_flight": rate for n, rate in alone.items()}
                report(
                    f"run {number} of {options.runs}: {found['slates_per_s']:.0f} slates/s, Triton"
                    f" alone {best:.0f}/s; {share:.2f} of it, fallbacks"
                    f" {found['fallback_share']:.1%}"
                )
    medians = median_of([{k: v for k, v in run.items() if k != "run"} for run in runs])
    return {
        **machine.head(options.benchmark, options.command),
        "load": {
            "users": options.users,
            "history": options.past,
            "rows_per_request": MAX_USERS,
            "partitions": options.partitions,
            "workers": 1,
        },
        "score": medians,
        "bars": [
            bar("slates a second, of Triton's own maximum", medians["share"], at_least=_SHARE),
            bar("share of fallbacks", medians["fallback_share"], at_most=_FALLBACKS),
        ],
        "runs": runs,
    }


def tables(document: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """What a person is shown of the document."""
    columns = (
        "slates_per_s",
        "triton_per_s",
        "share",
        "fallback_share",
        "worker_core",
        "triton_core",
    )
    score = {column: document["score"][column] for column in columns}
    return {"score": [score], "bars": bar_rows(document["bars"])}


def _plan(options: Options, running: Servers, pasts: list[list[str]]) -> Plan:
    settings = running.settings
    served = control.releases(settings).served(MODEL, settings.region)
    assert served is not None  # model.released has just published it
    (triton,) = settings.triton
    return Plan(triton, served.version, options.seconds, options.in_flight, pasts)


def _triton_alone(plan: Plan, folder: Path) -> dict[str, float]:
    """In-flight -> users a second; the worker has nothing to do meanwhile."""
    file = folder / "load.json"
    file.write_bytes(msgspec.json.encode(plan))
    command = [sys.executable, "-m", "tests.benchmarks.score.load", str(file)]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BenchmarkError(f"Triton alone could not be measured: {done.stderr.strip()[-500:]}")
    return msgspec.json.decode(done.stdout.encode(), type=dict[str, float])
