"""Sequences that go round a circle, where the right answer is plain, and small transformers."""

import numpy as np
import torch

from inference.models.transformer import TransformerSettings
from inference.training.epochs import EpochSettings, fit_transformer
from inference.training.sequences import Sequences

ITEMS = 12
SMALL = {"dim": 16, "blocks": 1, "heads": 2, "length": 8, "dropout": 0.1}
DAY_MS = 86_400_000


def circle(users=40, length=6):
    starts = np.arange(users + 1) * length
    user, step = np.divmod(np.arange(users * length), length)
    return Sequences((user + step) % ITEMS, step * DAY_MS, starts)


def right(model):
    """The share of the items after which the circle's next one scores highest."""
    with torch.no_grad():
        states = model(torch.arange(ITEMS)[:, None], torch.zeros(ITEMS, 1, dtype=torch.int64))[:, 0]
        found = model.scores(states).argmax(1)
        return float((found == (torch.arange(ITEMS) + 1) % ITEMS).float().mean())


def settings_of(*, style="sasrec", dropout=0.1, **of_run):
    usual = {"epochs": 4, "patience": 99, "batch": 8, "rate": 0.02, "drawn": 8}
    of_model = TransformerSettings(style=style, **SMALL | {"dropout": dropout})
    return of_model, EpochSettings(**usual | of_run)


def fit(path=None, *, seed=0, data="some", report=lambda _: None, **settings):
    """With a checkpoint in the folder `path`, where one is given."""
    kept = (path, data) if path else None
    return fit_transformer(
        circle(), ITEMS, right, settings_of(**settings), seed=seed, kept=kept, report=report
    )
