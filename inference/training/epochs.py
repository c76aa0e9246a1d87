"""Fits the sequential transformer, epoch by epoch, until it no longer gets better.

After each epoch the model is judged on validation items; the best one is kept and given back, and
`patience` epochs without a better one end the run. All chance of an epoch (order, dropout, drawn
items) comes from the seed and its number, so a run that was stopped and resumed gives the same
model as one that was not. Called by `inference.training.blend`.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from inference.models.losses import LossName, loss_of
from inference.models.transformer import Transformer, TransformerSettings
from inference.training import checkpoint
from inference.training.checkpoint import Epoch, Head
from inference.training.sequences import Sequences

FULL_ITEMS_AT_MOST = 5_000
"""Up to here the loss is over all items; beyond, most of an epoch would be spent in it."""
_CLIP = 5.0
"""The longest step of a gradient; only early ones are longer."""


@dataclass(frozen=True)
class EpochSettings:
    """Usual values; none of them was chosen on a test."""

    epochs: int = 60
    patience: int = 6
    batch: int = 128
    """Windows of a user's items a step."""
    rate: float = 1e-3
    loss: LossName | None = None
    """None takes full up to FULL_ITEMS_AT_MOST items, else sampled."""
    drawn: int = 1024


@dataclass
class _Run:
    """What a checkpoint holds."""

    model: Transformer
    optimiser: torch.optim.AdamW
    best: dict[str, Tensor]
    epochs: list[Epoch]

    def tensors(self) -> dict[str, Tensor]:
        kept = {f"model/{name}": table for name, table in self.model.state_dict().items()}
        kept |= {f"best/{name}": table for name, table in self.best.items()}
        for place, state in self.optimiser.state_dict()["state"].items():
            kept |= {f"optimiser/{place}/{name}": table for name, table in state.items()}
        return kept

    def take(self, head: Head, tensors: dict[str, Tensor]) -> None:
        def under(prefix: str) -> dict[str, Tensor]:
            found = tensors.items()
            return {n.removeprefix(prefix): t for n, t in found if n.startswith(prefix)}

        self.model.load_state_dict(under("model/"))
        self.best, self.epochs = under("best/"), list(head.epochs)
        state: dict[int, dict[str, Tensor]] = {}
        for name, table in under("optimiser/").items():
            place, _, what = name.partition("/")
            state.setdefault(int(place), {})[what] = table
        groups = self.optimiser.state_dict()["param_groups"]
        self.optimiser.load_state_dict({"state": state, "param_groups": groups})


def fit_transformer(
    sequences: Sequences,
    items: int,
    judge: Callable[[Transformer], float],
    settings: tuple[TransformerSettings, EpochSettings],
    *,
    seed: int = 0,
    kept: tuple[Path, str] | None = None,
    report: Callable[[Epoch], None] = lambda _: None,
) -> tuple[Transformer, list[Epoch]]:
    """`kept` is where the checkpoint lies, resumed if it is there, and the fingerprint of the data.
    Raises CheckpointError.
    """
    of_model, of_run = settings
    torch.manual_seed(seed)
    model = Transformer(items, of_model)
    optimiser = torch.optim.AdamW(model.parameters(), lr=of_run.rate, weight_decay=0.01)
    run = _Run(model, optimiser, _copy(model), [])
    made_of = {
        "data": kept[1] if kept else "",
        "seed": str(seed),
        "settings": repr((items, of_model, of_run)),
        "code": checkpoint.code_version(),
    }
    if kept and kept[0].exists():
        run.take(*checkpoint.read(kept[0], made_of))
    while len(run.epochs) < of_run.epochs and _waits(run.epochs) < of_run.patience:
        began = time.monotonic()
        loss = _epoch(run, sequences, of_run, (seed, len(run.epochs)))
        model.eval()
        metric = judge(model)
        if metric > max((epoch.metric for epoch in run.epochs), default=-1.0):
            run.best = _copy(model)
        seconds = round(time.monotonic() - began, 3)
        run.epochs.append(
            Epoch(number=len(run.epochs) + 1, loss=loss, metric=metric, seconds=seconds)
        )
        if kept:
            checkpoint.write(kept[0], Head(run=made_of, epochs=run.epochs), run.tensors())
        report(run.epochs[-1])
    model.load_state_dict(run.best)
    return model.eval(), run.epochs


def _epoch(
    run: _Run, sequences: Sequences, settings: EpochSettings, chance: tuple[int, int]
) -> float:
    """The mean loss of a step. Where nobody has two items there is none, and it is 0."""
    random = np.random.default_rng(chance)
    torch.manual_seed(int(random.integers(2**62)))
    items = run.model.table.num_embeddings - 1
    name = settings.loss or ("full" if items <= FULL_ITEMS_AT_MOST else "sampled")
    run.model.train()
    lost, steps = 0.0, 0
    for batch in sequences.batches(run.model.settings.length, settings.batch, random):
        there = batch.targets >= 0  # (batch, length)
        states = run.model(batch.places, batch.times)[there]  # (steps, dim)
        negatives = torch.randint(items, (settings.drawn,))  # (drawn,)
        loss = loss_of(name, run.model, states, batch.targets[there], negatives)
        run.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(run.model.parameters(), _CLIP)
        run.optimiser.step()
        lost, steps = lost + loss.item() * len(states), steps + len(states)
    return lost / max(1, steps)


def _copy(model: Transformer) -> dict[str, Tensor]:
    return {name: table.clone() for name, table in model.state_dict().items()}


def _waits(epochs: list[Epoch]) -> int:
    """How many epochs ago the best one was."""
    if not epochs:
        return 0
    metrics = [epoch.metric for epoch in epochs]
    return len(metrics) - 1 - metrics.index(max(metrics))
