"""The bars of the latency, computed from the medians of one document. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from tests.benchmarks.statistics import bar

RATE = 1000
"""Events a second that the bars speak of."""
FALLBACKS = 0.01
"""A larger share is not "with the model"."""
_CONSTANT = ((0.35, 25.0), (0.2, 35.0))
"""(cores of the worker, ms of p99 over a plain consumer's)."""
_MODEL_MS = 60.0


def bars(setups: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Of a constant slate the best within the cores; where none is, the cheapest, and missed."""
    found = []
    at_rate = [setup for setup in setups if setup["rate"] == RATE]
    constant = [setup for setup in at_rate if setup["slate"] == "constant"]
    for core, at_most in _CONSTANT if constant else ():
        within = [setup for setup in constant if setup["core"] <= core]
        best = (
            min(within, key=lambda setup: setup["p99_over_plain_ms"])
            if within
            else min(constant, key=lambda setup: setup["core"])
        )
        line = bar(
            f"constant slate, p99 over a plain consumer's, ms, at <= {core} core",
            best["p99_over_plain_ms"],
            at_most=at_most,
        )
        found.append(
            line
            | {"met": line["met"] and bool(within)}
            | {name: best[name] for name in ("core", "fetch_wait_ms", "one_core")}
        )
    model = [setup for setup in at_rate if setup["slate"] == "model"]
    if model:
        best = min(model, key=lambda setup: setup["p99_over_plain_ms"])
        what = "model, p99 over a plain consumer's, ms"
        found.append(bar(what, best["p99_over_plain_ms"], at_most=_MODEL_MS))
        what = "model, share of fallbacks"
        found.append(bar(what, best["fallback_share"], at_most=FALLBACKS))
    return found
