"""One transformer of a data set, made smaller in each way; the document with bytes and quality.

NDCG@10 is that of the transformer alone, all items ranked, on the test items of leave-one-out, and
on validation items, by which a way is chosen. The rate is that of `answer`, 32 users a request, on
one core; `--seconds 0` leaves it out, for a machine that is not quiet enough to tell.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from inference import compression
from inference.compression.ways import WAYS
from inference.data.split import Split
from inference.evaluation.protocols import leave_one_out
from inference.models.requests import request_of
from inference.models.transformer import Transformer
from inference.training.blend import fit_sources, with_transformer
from inference.training.epochs import EpochSettings
from inference.training.judging import Asked, Judge
from inference.training.progress import Epoch, Said
from infra.cli import datasets
from infra.local.settings import LocalSettings
from schemas.serving import MAX_USERS
from tests.benchmarks import machine
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
    """Of asking for the rate, for each way."""
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
        blend, split.fit, held, epochs=epochs, seed=options.seed, report=say
    ).transformer
    assert model is not None
    judges = {
        "ndcg_validation": Judge.of(blend, _asked(held, options.users)),
        "ndcg_test": Judge.of(blend, _asked(split, options.users)),
    }
    rows = [_measured(name, model, judges, options, report) for name in WAYS]
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
        "chosen": _chosen(rows),
    }


def tables(document: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """What a person is shown of the document."""
    return {"compression": document["compression"]}


def _measured(
    name: str, model: Transformer, judges: dict[str, Judge], options: Options, report: Report
) -> dict[str, Any]:
    smaller = WAYS[name](model)
    row: dict[str, Any] = {"way": name, "bytes": compression.bytes_of(smaller)}
    # Layers that are int8 have no parameters that torch would count.
    whole = "int8" not in name and "table" not in name
    before, after = compression.parameters(model), compression.parameters(smaller)
    row["pruning_rate"] = round(compression.pruning_rate(before, after), 4) if whole else None
    row |= {what: round(judge(smaller), 4) for what, judge in judges.items()}
    row["rows_per_s"] = _rate(smaller, judges["ndcg_test"], options.seconds)
    report(", ".join(f"{what} {value}" for what, value in row.items()))
    return row


def _rate(model: Transformer, judge: Judge, seconds: float) -> float | None:
    """Users a second in this process, with whole requests only."""
    if seconds <= 0:
        return None
    ask = [part for part in judge.asked if len(part[1]) == MAX_USERS] or list(judge.asked)
    Judge(judge.hashes, judge.share, (ask[0],))(model)  # the first request of a model is slow
    began, done, at = time.monotonic(), 0, 0
    while time.monotonic() - began < seconds:
        part = ask[at % len(ask)]
        Judge(judge.hashes, judge.share, (part,))(model)
        done, at = done + len(part[1]), at + 1
    return round(done / (time.monotonic() - began), 1)


def _chosen(rows: list[dict[str, Any]]) -> str | None:
    """By quality on validation items; None where no rate was measured."""
    if any(row["rows_per_s"] is None for row in rows):
        return None
    found = [
        compression.Measured(row["way"], row["ndcg_validation"], row["rows_per_s"]) for row in rows
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
