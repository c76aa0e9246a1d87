"""Each policy, with and without hedges, on two Tritons of which one is stopped now and then."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, get_args

from infra import control
from infra.local import supervisor
from infra.local.settings import LocalSettings
from schemas.serving import MODEL
from streams.scoring.balancing import Name
from streams.scoring.budget import AT_ONCE
from streams.scoring.candidates import Wanted
from streams.scoring.client import HEDGES, Scorer
from streams.settings import Settings
from streams.slate.choose import candidates_wanted
from streams.slate.filters import excluded
from tests.benchmarks import machine, model, servers
from tests.benchmarks.balance.crowd import Load, asked, figures, sent
from tests.benchmarks.balance.pulses import pulsing
from tests.benchmarks.options import Chosen
from tests.benchmarks.score import asking
from tests.benchmarks.score.load import state_of
from tests.benchmarks.servers import Servers
from tests.benchmarks.statistics import bar, bar_rows, median_of

Report = Callable[[str], None]
_PEOPLE = 200
_WARM_S = 3.0
"""Of each Scorer, before the pulses: connected, and its p95 known."""
_FALLBACKS = 0.01


@dataclass(frozen=True)
class Options(Chosen):
    """What to measure. One Triton is stopped for `stopped_ms` of every `every_ms`."""

    benchmark = "balance"
    policies: tuple[str, ...] = get_args(Name)
    rate: float = 40.0
    users: int = 2
    seconds: float = 15.0
    stopped_ms: int = 300
    every_ms: int = 1500
    runs: int = 3
    past: int = 20
    dataset: str = "ml-100k"


def run(options: Options, local: LocalSettings, report: Report) -> dict[str, Any]:
    """The document of `tidemill bench balance`. Raises BenchmarkError, LocalError."""
    runs: dict[tuple[str, bool], list[dict[str, Any]]] = {}
    with servers.running(local, 1, with_triton=True, tritons=2) as running:
        log = model.released(running, local, options.dataset, report)
        people = _people(model.pasts(log, options.past))
        for number in range(1, options.runs + 1):
            for policy in options.policies:
                for is_hedged in (False, True):
                    found = asyncio.run(
                        _measured(options, running, people, policy, HEDGES * is_hedged)
                    )
                    runs.setdefault((policy, is_hedged), []).append(found)
                    hedged = "hedged" if is_hedged else "not hedged"
                    report(
                        f"run {number} of {options.runs}, {policy}, {hedged}:"
                        f" p99 {found['p99_ms']:.0f} ms, fallbacks {found['fallback_share']:.1%}"
                    )
    rows = [
        {"policy": policy, "hedged": is_hedged, **median_of(of_policy)}
        for (policy, is_hedged), of_policy in runs.items()
    ]
    hedged = [row for row in rows if row["hedged"]]
    requests = options.rate * options.seconds
    return {
        **machine.head(options.benchmark, options.command),
        "load": {
            "requests_per_s": options.rate,
            "users_per_request": options.users,
            "deadline_ms": Settings().score_deadline_ms,
            "tritons": 2,
            "stopped_ms": options.stopped_ms,
            "every_ms": options.every_ms,
        },
        "balance": rows,
        "bars": [
            bar(
                "share of fallbacks, hedged, the worst policy",
                max(row["fallback_share"] for row in hedged),
                at_most=_FALLBACKS,
            ),
            # Beside the hedges there are probes: a few a second while one is ejected.
            bar(
                "requests beside the first ones, hedged, the worst policy",
                max(row["extra_requests"] for row in hedged),
                at_most=HEDGES + (AT_ONCE + 5 * options.seconds) / requests,
            ),
        ],
        "runs": [
            {"run": number, "policy": policy, "hedged": is_hedged, **found}
            for (policy, is_hedged), of_policy in runs.items()
            for number, found in enumerate(of_policy, 1)
        ],
    }


def tables(document: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """What a person is shown of the document."""
    return {"balance": document["balance"], "bars": bar_rows(document["bars"])}


def _people(pasts: list[list[str]]) -> list[Wanted]:
    limit = candidates_wanted(Settings().slate_size)
    states = {asking.user_id(user): state_of(user, pasts) for user in range(_PEOPLE)}
    return [Wanted(state, limit, excluded(state), user) for user, state in states.items()]


async def _measured(
    options: Options, running: Servers, people: list[Wanted], policy: Any, hedges: float
) -> dict[str, Any]:
    settings = running.settings
    served = control.releases(settings).served(MODEL, settings.region)
    assert served is not None  # model.released has just published it
    load = Load(options.rate, options.users, settings.score_deadline_ms)
    pid = next(s.pid for s in supervisor.states(running.home.run) if s.name == "triton-2")
    scorer = Scorer(settings.triton, policy=policy, hedges=hedges)
    try:
        await asked(scorer, people, served.version, load, _WARM_S)
        before = sent()
        async with pulsing(pid, options.stopped_ms / 1000, options.every_ms / 1000):
            found = await asked(scorer, people, served.version, load, options.seconds)
    finally:
        await scorer.close()
    return figures(found, before, settings.triton[1])
