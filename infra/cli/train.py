"""`tidemill train`: fit the blend on a data set and write it as the next release."""

from functools import partial
from typing import Annotated

import typer

from inference.data import Interactions
from inference.evaluation import evaluate
from inference.models.text import EncoderName
from inference.releases import write
from inference.training import train as fit
from inference.training.blend import (
    Sequential,
    affordable,
    fit_whole,
    with_transformer,
)
from inference.training.fastest import Fastest, compressed
from inference.training.report import Kept, files_of, report_of
from inference.training.sources import TEXT_ENCODER
from inference.training.space import can_be_fitted
from infra.cli.archived import DatasetOrNone, Since, Source, training_log
from infra.cli.datasets import Data, Until
from infra.cli.encoders import encoder_named
from infra.cli.epochs import Processes, Resume, WithTransformer, checkpoint_of, say
from infra.cli.moments import moment_ms
from infra.cli.parts import Without, parts_left
from infra.cli.printing import print_json, tell
from infra.cli.region import local_settings
from schemas.serving import MODEL

_NO_TEXT = "none"

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command()
def train(  # noqa: PLR0913 - each is an option of the command
    dataset: DatasetOrNone = None,
    *,
    data: Data = None,
    source: Source = None,
    since: Since = None,
    until: Until = None,
    measure: Annotated[
        bool, typer.Option("--evaluate/--no-evaluate", help="measure it first, leave-one-out")
    ] = True,
    without: Without = None,
    transformer: WithTransformer = None,
    compress: Annotated[
        bool,
        typer.Option(
            "--compress/--no-compress",
            help="release the transformer's fastest form within 1 % of the best NDCG, or its own",
        ),
    ] = True,
    resume: Resume = False,
    text: Annotated[
        str | None,
        typer.Option(
            help="reads the items' text, for one more source and to have new items recommended "
            "without a new release: bert (English), universal (16 languages), hashed (words as "
            "they stand; the default where the data set has texts), none"
        ),
    ] = None,
    processes: Processes = 1,
    seed: Annotated[int, typer.Option(help="of the transformer; recorded in the release")] = 0,
    json: Annotated[bool, typer.Option("--json", help="one JSON document")] = False,
) -> None:
    """Fit the blend and write it as a release; `tidemill release` serves it."""
    if processes > 1 and transformer is False and not source:
        raise typer.BadParameter(
            "--processes fit a transformer or read an archive: they go with --transformer or --from"
        )
    home = local_settings().place
    log = training_log(dataset, data, source, (since, until), processes)
    until_ms = None if until is None else moment_ms(log, until)
    parts = parts_left([*(without or []), *(["text"] if text == _NO_TEXT else [])])
    known = log if until_ms is None else log.until(until_ms)
    epochs, fastest = Kept(say), Fastest()
    sequential: Sequential | None = None
    if affordable(known) if transformer is None else transformer:
        # What is measured and what is released begin with the same fit; the second resumes it.
        sequential = partial(
            with_transformer,
            seed=seed,
            processes=processes,
            checkpoint=checkpoint_of(known, seed, resume=resume),
            report=epochs,
            fastest=fastest if compress else None,
        )
    encoder = _encoder(text, known)  # before anything takes time
    reads = encoder or TEXT_ENCODER
    metrics = {}
    if measure:
        found = evaluate(known, blend=True, parts=parts, sequential=sequential, text=reads)
        metrics = found.metrics()
    blend = partial(fit_whole, parts=parts, sequential=sequential, text=reads)
    fitted = fit(log, until_ms=until_ms, fit=blend, seed=seed, text=encoder)
    fitted = compressed(fitted, fastest)
    report = files_of(report_of(fitted, metrics, epochs, processes, fastest.found))
    folder = write(fitted, home.releases, metrics, beside=report)
    if json:
        print_json(
            {
                "model": MODEL,
                "version": folder.name,
                "folder": str(folder),
                "training": fitted.training,
                "metrics": metrics,
                "report": [str(folder / name) for name in report],
            }
        )
        return
    training = fitted.training
    tell(
        f"{training.interactions} interactions of {training.users} users with "
        f"{len(fitted.items)} items, {', '.join(training.parts)} fitted in "
        f"{training.seconds:.1f} s"
    )
    if fitted.text is not None:
        tell(f"items that come later are placed by their text ({fitted.text.says.encoder})")
    for form in fastest.found:
        tell(
            f"{form.name}: validation NDCG@10 {form.ndcg:.4f}, {form.rows_per_s:.0f} users/s"
            f"{', released' if form.name == fastest.way else ''}"
        )
    if metrics:
        tell(", ".join(f"{name} {value:.4f}" for name, value in metrics.items()))
    tell(f"the report: {', '.join(str(folder / name) for name in report)}")
    tell(f"{MODEL} {folder.name} is in {folder}; `tidemill release` serves it")


def _encoder(text: str | None, known: Interactions) -> EncoderName | None:
    """Where nobody asked for one, the one that costs next to nothing, if it can do anything."""
    if text is None:
        return "hashed" if can_be_fitted(known) else None
    return None if text == _NO_TEXT else encoder_named(text, "--text")
