"""Medians over runs, percentiles over records, and bars. Pure."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

_DIGITS = 4


def rounded(value: float) -> float:
    """To four significant digits: more than any of these figures can promise."""
    return float(f"{value:.{_DIGITS}g}")


def median_of(runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Of each figure that the runs have, the median; what is no number must be equal in all."""
    found: dict[str, Any] = {}
    for name in runs[0]:
        values = [run[name] for run in runs]
        if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
            median = statistics.median(values)
            found[name] = median if isinstance(median, int) else rounded(median)
        elif all(value == values[0] for value in values):
            found[name] = values[0]
    return found


def percentile(ascending: Sequence[float], percent: float) -> float:
    """The nearest rank: the smallest value that so many percent do not exceed."""
    if not ascending:
        raise ValueError("no values, no percentile")
    rank = -(-len(ascending) * percent // 100)  # rounded up
    return ascending[max(0, int(rank) - 1)]


def latencies(seconds: Sequence[float]) -> dict[str, float]:
    """p50, p99, p99.9 and the largest, in milliseconds."""
    ascending = sorted(seconds)
    return {
        f"{name}_ms": rounded(1000 * percentile(ascending, percent))
        for name, percent in (("p50", 50), ("p99", 99), ("p99_9", 99.9), ("max", 100))
    }


def bar(
    what: str, value: float, *, at_most: float | None = None, at_least: float | None = None
) -> dict[str, Any]:
    """One line of the table of bars; exactly one of the bounds is given."""
    assert (at_most is None) != (at_least is None)
    if at_most is not None:
        return {"what": what, "value": rounded(value), "at_most": at_most, "met": value <= at_most}
    assert at_least is not None
    return {"what": what, "value": rounded(value), "at_least": at_least, "met": value >= at_least}


def bar_rows(bars: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """For a person."""
    return [
        {
            "bar": found["what"],
            "measured": found["value"],
            "wanted": f"<= {found['at_most']}" if "at_most" in found else f">= {found['at_least']}",
            "": "met" if found["met"] else "missed",
        }
        for found in bars
    ]
