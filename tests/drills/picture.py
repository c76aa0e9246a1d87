"""The picture of a drill: throughput above, lag below, and what happened when."""

from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from tests.drills.harness.watch import Curves

_COLOURS = {"east": "tab:blue", "west": "tab:orange"}


def draw(curves: Curves, title: str, file: Path) -> None:
    """Writes a PNG."""
    figure = Figure(figsize=(11, 7), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    above, below = figure.subplots(2, 1, sharex=True)
    above.plot(curves.at_s, curves.sent, color="grey", linestyle=":", label="events acknowledged")
    for name, given in curves.given.items():
        label = f"slates at the reader in {name}"
        above.plot(curves.at_s, given, color=_COLOURS.get(name), label=label)
    above.set_ylabel("a second")
    for name, lag in curves.lag.items():
        seen = [float("nan") if records is None else float(records) for records in lag]
        below.plot(curves.at_s, seen, color=_COLOURS.get(name), label=f"lag of {name}")
    below.set_ylabel("records to process")
    below.set_yscale("symlog", linthresh=10)
    below.set_ylim(bottom=0)
    below.set_xlabel("seconds")
    for number, (what, at_s) in enumerate(curves.marks.items()):
        for axes in (above, below):
            axes.axvline(at_s, color="black", linewidth=0.8, alpha=0.6)
        height = 0.98 - 0.07 * (number % 4)
        above.text(
            at_s, height, f" {what}", transform=above.get_xaxis_transform(), va="top", fontsize=8
        )
    for axes in (above, below):
        axes.grid(alpha=0.3)
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=8)
    figure.suptitle(title)
    figure.savefig(file, format="png")
