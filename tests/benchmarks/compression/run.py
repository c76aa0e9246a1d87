"""One transformer of a data set, made smaller in each way; the document with bytes and quality.

NDCG@10 is that of the transformer alone, all items ranked, on the test items of leave-one-out, and
on validation items, by which a way is chosen. The rate is that of `answer`, 32 users a request, in
seconds of one core's own time; all ways answer in turn, so that what else the machine does slows
all of them. `--seconds 0` leaves it out.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from inference import compression
from inference.compression.ways import NONE, RELEASED, WAYS
from inference.data.split import Split
from inference.evaluation.protocols import leave_one_out
from inference.models.answer import answer
from inference.models.requests import request_of
from inference.models.transformer import Transformer
from inference.training.blend import Pair, with_transformer
from inference.training.epochs import EpochSettings
from inference.training.judging import Asked, Judge
from inference.training.progress import Epoch, Said
from inference.training.sources import fit_sources
from infra.cli import datasets
from infra.local.settings import LocalSettings
from schemas.serving import MAX_USERS
from tests.benchmarks import machine
from tests.benchmarks.compression.served import through_triton
from tests.benchmarks.options import Chosen

Report = Callable[[str], None]


@dataclass(frozen=True)
class Options(Chosen):
    """What to measure. `users`: how many are asked, drawn evenly; 0 is all."""

    benchmark = "compression"
    epochs: int = 60
    seed: int = 0
    users: int = 0
    seconds: float = 5.0
    """Of asking for the rate, for each way; all of them take so long in turn."""
    triton_seconds: float = 0.0
    """Of asking through Triton, and as long in this process, for float32 and the way that is
    chosen; 0 leaves it out.
    """
    dataset: str = "ml-100k"


def run(options: Options, local: LocalSettings, report: Report) -> dict[str, Any]:
    """The document of `tidemill bench compression`. Raises DataError."""
    torch.set_num_threads(1)
    log = datasets.read_log(options.dataset, None, local.place)
    split, held = leave_one_out(log), leave_one_out(log, "validation")
    blend = fit_sources(split.fit)
    told: list[Epoch] = []

    def say(said: Said) -> None:
        if isinstance(said, Epoch):
            told.append(said)
            report(f"epoch {said.number}: loss {said.loss:.4f}, NDCG@10 {said.metric or 0:.4f}")

    epochs = EpochSettings(epochs=options.epochs)
    model = with_transformer(
        Pair(blend, blend, held), split.fit, epochs=epochs, seed=options.seed, report=say
    ).whole.transformer
    assert model is not None
    judges = {
        "ndcg_validation": Judge.of(blend, _asked(held, options.users)),
        "ndcg_test": Judge.of(blend, _asked(split, options.users)),
    }
    models = {name: way(model) for name, way in WAYS.items()}
    rates = _rates(models, judges["ndcg_test"], options.seconds * len(models))
    rows = [_measured(name, models, judges, rates[name], report) for name in WAYS]
    chosen = _chosen(rows)
    served: list[dict[str, Any]] = []
    if options.triton_seconds > 0:
        some = {name: models[name] for name in dict.fromkeys((NONE, chosen or NONE))}
        served = through_triton(
            some, split.fit, judges["ndcg_test"], local, options.triton_seconds, report
        )
    return {
        **machine.head(options.benchmark, options.command),
        "load": {
            "dataset": options.dataset,
            "items": len(blend.vocabulary),
            "epochs": len(told),
            "users": sum(len(right) for _, right in judges["ndcg_test"].asked),
            "rows_per_request": MAX_USERS,
        },
        "compression": rows,
        "chosen": chosen,
        "through_triton": served,
    }


def tables(document: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """What a person is shown of the document."""
    found = {"compression": document["compression"], "through Triton": document["through_triton"]}
    return {title: rows for title, rows in found.items() if rows}


def _measured(
    name: str,
    models: dict[str, Transformer],
    judges: dict[str, Judge],
    rate: float | None,
    report: Report,
) -> dict[str, Any]:
    smaller = models[name]
    row: dict[str, Any] = {"way": name, "bytes": compression.bytes_of(smaller)}
    # Layers that are int8 have no parameters that torch would count.
    whole = "int8" not in name and "table" not in name
    before, after = compression.parameters(models[NONE]), compression.parameters(smaller)
    row["pruning_rate"] = round(compression.pruning_rate(before, after), 4) if whole else None
    row |= {what: round(judge(smaller), 4) for what, judge in judges.items()}
    row["rows_per_s"] = rate
    report(", ".join(f"{what} {value}" for what, value in row.items()))
    return row


def _rates(models: dict[str, Transformer], judge: Judge, seconds: float) -> dict[str, float | None]:
    """Of each way users a second of the processor's time in this process, whole requests only."""
    if seconds <= 0:
        return dict.fromkeys(models)
    ask = [part for part in judge.asked if len(part[1]) == MAX_USERS] or list(judge.asked)
    blends = {name: judge.blend(model) for name, model in models.items()}
    spent: dict[str, list[float]] = {name: [] for name in models}
    began, turn = time.process_time(), 0
    while time.process_time() - began < seconds or turn < 2:
        request, right = ask[turn % len(ask)]
        for name, blend in blends.items():
            before = time.process_time()
            answer(blend, request)
            spent[name].append((time.process_time() - before) / len(right))
        turn += 1
    # The first request of a model is slow.
    return {name: round(1 / float(np.median(each[1:])), 1) for name, each in spent.items()}


def _chosen(rows: list[dict[str, Any]]) -> str | None:
    """By quality on validation items, of what a release may hold; None where no rate was told."""
    if any(row["rows_per_s"] is None for row in rows):
        return None
    found = [
        compression.Measured(row["way"], row["ndcg_validation"], row["rows_per_s"])
        for row in rows
        if row["way"] in RELEASED
    ]
    return compression.choose(found).name


def _asked(split: Split, users_at_most: int) -> tuple[Asked, ...]:
    """Requests for ten places, of users drawn evenly."""
    many = len(split.histories)
    users = np.arange(0, many, max(1, -(-many // users_at_most)) if users_at_most else 1)
    asked = []
    for begin in range(0, len(users), MAX_USERS):
        some = users[begin : begin + MAX_USERS].tolist()
        right = split.log.item_hashes[np.array([split.targets[user][0] for user in some])]
        asked.append((request_of(split.log, [split.histories[user] for user in some], 10), right))
    return tuple(asked)
