"""Draws the document of `tidemill bench scale` as one picture of four curves.

Called as a program with DOCUMENT PICTURE, in the environment that has matplotlib; nothing of our
packages is there.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

_SIZE_INCH = (11, 8)
_DPI = 110
_FIRST, _SECOND = "tab:blue", "tab:orange"


def workers(axes: Axes, rows: list[dict[str, Any]]) -> None:
    counts = [row["workers"] for row in rows]
    axes.plot(counts, [row["events_per_s"] / 1000 for row in rows], "o-")
    axes.set(xlabel="workers", ylabel="thousand events/s", title="a backlog drained")
    axes.set_xticks(counts)
    axes.set_ylim(bottom=0)
    _beside(axes, counts, [row["cpu_us_per_event"] for row in rows], "CPU us an event")


def partitions(axes: Axes, rows: list[dict[str, Any]]) -> None:
    second = axes.twinx()
    second.set_ylabel("cores", color=_SECOND)
    for one_core, line, mark in ((False, "-", ""), (True, "--", ", on one core")):
        found = [row for row in rows if row["one_core"] is one_core]
        counts = [row["partitions"] for row in found]
        p99_ms = [row["p99_ms"] for row in found]
        axes.plot(counts, p99_ms, f"o{line}", color=_FIRST, label=f"answer{mark}")
        second.plot(counts, [row["core"] for row in found], f"s{line}", color=_SECOND)
        axes.set_xticks(counts)
    plain = [row["plain_p99_ms"] for row in found]
    axes.plot(counts, plain, "o:", color=_FIRST, label="plain consumer")
    axes.set(xlabel="partitions on one worker", ylabel="p99, ms", title="delay at a service's pace")
    axes.set_ylim(bottom=0)
    second.set_ylim(bottom=0)
    axes.legend(loc="upper left")


def cost(axes: Axes, rows: list[dict[str, Any]]) -> None:
    counts = [row["users"] for row in rows]
    for name, label in (("hot", "in memory"), ("cold", "from the store")):
        axes.plot(counts, [row[f"{name}_cpu_us_per_event"] for row in rows], "o-", label=label)
    axes.set(xlabel="users", ylabel="CPU us an event", title="cost of an event", xscale="log")
    axes.set_ylim(bottom=0)
    axes.legend()


def restore(axes: Axes, rows: list[dict[str, Any]]) -> None:
    counts = [row["users"] for row in rows]
    for name, label in (("local", "local disk"), ("changelog", "changelog")):
        axes.plot(counts, [row[f"restore_{name}_s"] for row in rows], "o-", label=label)
    axes.set(xlabel="users", ylabel="seconds", title="restore", xscale="log")
    axes.set_ylim(bottom=0)
    axes.legend()


def _beside(axes: Axes, counts: list[int], values: list[float], what: str) -> None:
    """On an axis of its own."""
    second = axes.twinx()
    second.plot(counts, values, "s--", color=_SECOND)
    second.set_ylabel(what, color=_SECOND)
    second.set_ylim(bottom=0)


PANELS: tuple[tuple[str, Callable[[Axes, list[dict[str, Any]]], None]], ...] = (
    ("workers", workers),
    ("partitions", partitions),
    ("users", cost),
    ("users", restore),
)


def main() -> None:
    document, picture = sys.argv[1:]
    found = json.loads(Path(document).read_text(encoding="utf-8"))
    figure, places = plt.subplots(2, 2, figsize=_SIZE_INCH, layout="constrained")
    for axes, (part, panel) in zip(places.flat, PANELS, strict=True):
        if found.get(part):
            panel(axes, found[part])
            axes.grid(visible=True, alpha=0.3)
        else:
            axes.set_axis_off()
    machine = found["machine"]
    figure.suptitle(f"{found['command']}, {found['date']}, {machine['cores']} cores")
    figure.savefig(picture, dpi=_DPI)


if __name__ == "__main__":
    main()
