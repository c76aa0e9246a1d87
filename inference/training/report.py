"""The report of a training: what was fitted on what, how good it is, and its curves.

`training.json` is a TrainingReport; `training.png` has its curves, where epochs were fitted. Both
lie in the release that the training made, under its hashes. Called by `tidemill train`.
"""

import io
from collections.abc import Mapping, Sequence

import msgspec

from inference.compression.choose import Measured
from inference.training.fitted import Fitted
from inference.training.progress import Ended, Epoch, Report, Said, best_of
from schemas.releases import Training

REPORT, PICTURE = "training.json", "training.png"


class TrainingReport(msgspec.Struct, frozen=True, kw_only=True):
    """`judged` are the epochs of the run that validation items judged, `whole` those of the run on
    all of the log, which is what was released. Both are empty where no transformer was fitted.
    `metrics` are on test items, `forms` the forms of the blend that were measured on validation
    items before one was chosen, `compression`.
    """

    training: Training
    items: int
    metrics: dict[str, float]
    processes: int
    judged: list[Epoch]
    whole: list[Epoch]
    forms: list[Measured] = []


class Kept:
    """Listens to runs and keeps their epochs; tells on what it hears."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self.judged: list[Epoch] = []
        self.whole: list[Epoch] = []

    def __call__(self, said: Said) -> None:
        if isinstance(said, Ended) and said.epochs:
            if said.epochs[0].metric is None:
                self.whole = said.epochs
            else:
                self.judged = said.epochs
        self._report(said)


def report_of(
    fitted: Fitted,
    metrics: Mapping[str, float],
    kept: Kept,
    processes: int = 1,
    forms: Sequence[Measured] = (),
) -> TrainingReport:
    return TrainingReport(
        training=fitted.training,
        items=len(fitted.items),
        metrics=dict(metrics),
        processes=processes,
        judged=kept.judged,
        whole=kept.whole,
        forms=list(forms),
    )


def files_of(report: TrainingReport) -> dict[str, bytes]:
    """Name to content; no picture where there is no curve."""
    found = {REPORT: msgspec.json.format(msgspec.json.encode(report), indent=2)}
    if report.judged or report.whole:
        found[PICTURE] = _picture(report)
    return found


def _picture(report: TrainingReport) -> bytes:
    """A PNG: the loss above, the validation metric below, by epoch."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415 - slow to load
    from matplotlib.figure import Figure  # noqa: PLC0415

    figure = Figure(figsize=(8, 6), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    above, below = figure.subplots(2, 1, sharex=True)
    for epochs, label in ((report.judged, "validation items held out"), (report.whole, "all")):
        if epochs:
            above.plot(*_points(epochs, [epoch.loss for epoch in epochs]), ".-", label=label)
    above.set_ylabel("loss, mean of a next item")
    above.legend()
    if report.judged:
        metrics = [epoch.metric or 0.0 for epoch in report.judged]
        best = best_of(report.judged)
        below.plot(*_points(report.judged, metrics), ".-", color="tab:green")
        below.axvline(best.number, color="black", linewidth=0.8, linestyle=":")
        below.set_title(f"best: epoch {best.number}, {best.metric:.4f}", fontsize=9)
    below.set_ylabel("NDCG@10, validation items")
    below.set_xlabel("epoch")
    for axes in (above, below):
        axes.grid(alpha=0.3)
        axes.xaxis.get_major_locator().set_params(integer=True)
    figure.suptitle(f"{report.training.dataset}: the transformer alone")
    file = io.BytesIO()
    figure.savefig(file, format="png")
    return file.getvalue()


def _points(epochs: Sequence[Epoch], values: list[float]) -> tuple[list[int], list[float]]:
    return [epoch.number for epoch in epochs], values
