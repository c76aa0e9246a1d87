"""Fits the sequential transformer, epoch by epoch, until it no longer gets better.

Its items begin beside what goes with them (`beginning`); all else begins by chance.
What is judged after each epoch, on validation items, is the mean of what the model's parameters
were lately: single steps overshoot, and their mean lies lower (Polyak and Juditsky, 1992). The best
mean is kept and given back, and `patience` epochs without a better one end the run. All chance of a
step (order, dropout, drawn items) comes from the seed and its number, so a run that was stopped and
resumed gives the same model as one that was not. Several processes share each batch; but for
dropout, which each draws for itself, they take the steps that one would. Called by
`inference.training.blend`, in processes of its own by `rank`.
"""

import time
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from inference.models.losses import LossName, loss_of
from inference.models.transformer import Transformer, TransformerSettings
from inference.training import checkpoint
from inference.training.beginning import beginning
from inference.training.distribute import Group, alone
from inference.training.progress import (
    Ended,
    Epoch,
    Report,
    Resumed,
    Saved,
    Started,
    best_of,
    silent,
)
from inference.training.sequences import Batch, Sequences
from inference.training.standing import Standing, copy_of

FULL_ITEMS_AT_MOST = 15_000
"""Up to here the loss is over all items; beyond, most of an epoch would be spent in it."""
_LATELY = 2
"""Epochs over which the mean forgets all but a third."""
_CLIP = 5.0
"""The longest step of a gradient; only early ones are longer."""


@dataclass(frozen=True)
class EpochSettings:
    """Usual values; none of them was chosen on a test."""

    epochs: int = 60
    patience: int = 6
    batch: int = 128
    """Windows of a user's items a step, of all processes together."""
    rate: float = 1e-3
    loss: LossName | None = None
    """None takes full up to FULL_ITEMS_AT_MOST items, else sampled."""
    drawn: int = 1024
    every: int = 2_000
    """Steps from one checkpoint to the next within an epoch; its end has one too. A minute or so
    of work on one core."""


Settings = tuple[TransformerSettings, EpochSettings]


class _Loss(nn.Module):
    """The part of the step whose gradients the processes share."""

    def __init__(self, name: LossName, model: Transformer) -> None:
        super().__init__()
        self.name, self.model = name, model

    def forward(self, batch: Batch, negatives: Tensor) -> Tensor:
        """The sum over all steps of the batch, 0 where it has no row."""
        there = batch.targets >= 0  # (batch, length)
        states = self.model(batch.places, batch.times)[there]  # (steps, dim)
        return loss_of(self.name, self.model, states, batch.targets[there], negatives)


def fit_transformer(  # noqa: PLR0913 - what is learnt from, by whom it is judged, how and where
    sequences: Sequences,
    items: int,
    judge: Callable[[Transformer], float] | None,
    settings: Settings,
    *,
    seed: int = 0,
    kept: tuple[Path, str] | None = None,
    report: Report = silent,
    group: Group | None = None,
) -> tuple[Transformer, list[Epoch]]:
    """Without a `judge` all epochs are run and the last is the best. `kept` is the folder of its
    checkpoints, resumed if there is one, and the fingerprint of the data. The `group` is this
    process alone where none is given. Raises CheckpointError.
    """
    group = group or alone()
    of_model, of_run = settings
    torch.manual_seed(seed)
    model = Transformer(items, of_model)
    with torch.no_grad():
        model.table.weight[:items] = beginning(sequences, items, of_model.dim)
    model.to(group.device)
    mean = deepcopy(model).eval()
    optimiser = torch.optim.AdamW(model.parameters(), lr=of_run.rate, weight_decay=0.01)
    run = Standing(model, mean, optimiser, copy_of(mean))
    made_of = made_from(items, settings, seed, kept[1] if kept else "")
    report(Started(processes=group.processes, on=group.on))
    found = checkpoint.read(kept[0], made_of) if kept else None
    if found:
        run.take(*found, group)
        report(Resumed(epochs=len(run.epochs), steps=run.steps))

    def save() -> None:
        if kept:
            checkpoint.write(kept[0], run.head(made_of, group), run.tensors(), group)
            report(Saved(epochs=len(run.epochs), steps=run.steps))

    steps = _Steps(run, sequences, of_run, seed, group, save)
    while len(run.epochs) < of_run.epochs and _waits(run.epochs) < of_run.patience:
        began = time.monotonic()
        loss = steps.epoch()
        metric = group.same(judge(mean) if judge is not None and group.first else None)
        seconds = round(time.monotonic() - began, 3)
        ended = Epoch(number=len(run.epochs) + 1, loss=loss, metric=metric, seconds=seconds)
        run.end(ended)
        save()
        report(ended)
    report(Ended(epochs=run.epochs))
    mean.load_state_dict(run.best)
    return mean, run.epochs


def made_from(items: int, settings: Settings, seed: int, data: str) -> dict[str, str]:
    """What must be equal to resume. How many processes share the work need not be."""
    return {
        "data": data,
        "seed": str(seed),
        "settings": repr((items, *settings)),
        "code": checkpoint.code_version(),
    }


class _Steps:
    """The steps of an epoch, each on this process's share of a batch."""

    def __init__(
        self,
        run: Standing,
        sequences: Sequences,
        settings: EpochSettings,
        seed: int,
        group: Group,
        save: Callable[[], None],
    ) -> None:
        self.run, self.sequences, self.settings = run, sequences, settings
        self.seed, self.group, self.save = seed, group, save
        self.items = run.model.table.num_embeddings - 1
        full = self.items <= FULL_ITEMS_AT_MOST
        name: LossName = settings.loss or ("full" if full else "sampled")
        self.loss = group.joined(_Loss(name, run.model), all_used=run.model.settings.timed)
        self.of_an_epoch = sequences.steps(run.model.settings.length, settings.batch)

    def epoch(self) -> float:
        """The mean loss of what is learnt in it. Where nobody has two items it is 0."""
        run, length = self.run, self.run.model.settings.length
        run.model.train()
        random = np.random.default_rng((self.seed, len(run.epochs)))
        batches = self.sequences.batches(length, self.settings.batch, random)
        for batch in islice(batches, run.steps, None):
            self._step(batch)
            if run.steps % self.settings.every == 0:
                self.save()
        lost, seen = self.group.total(run.lost, run.seen)
        return lost / max(1.0, seen)

    def _step(self, batch: Batch) -> None:
        run, group = self.run, self.group
        chance = self.seed, len(run.epochs), run.steps
        drawing = torch.Generator().manual_seed(_seed_of(*chance))
        negatives = torch.randint(self.items, (self.settings.drawn,), generator=drawing)  # (drawn,)
        torch.manual_seed(_seed_of(*chance, 1 + group.rank))
        count = int((batch.targets >= 0).sum())
        mine = batch.part(group.rank, group.processes).to(group.device)
        loss = self.loss(mine, negatives.to(group.device))
        run.optimiser.zero_grad()
        # Gradients are averaged over the processes, so each stands for all of them.
        (loss * group.processes / count).backward()
        torch.nn.utils.clip_grad_norm_(run.model.parameters(), _CLIP)
        run.optimiser.step()
        run.step(loss.item(), int((mine.targets >= 0).sum()), self._share())

    def _share(self) -> float:
        """Of the newest step in the mean: much at first, for a mean of beginnings is none."""
        before = len(self.run.epochs) * self.of_an_epoch + self.run.steps
        return max(1 / (_LATELY * self.of_an_epoch), 9 / (10 + before))


def _seed_of(*numbers: int) -> int:
    """A seed that no other numbers give."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> np.uint64(1))


def _waits(epochs: list[Epoch]) -> int:
    """How many epochs ago the best one was."""
    return len(epochs) - best_of(epochs).number if epochs else 0
