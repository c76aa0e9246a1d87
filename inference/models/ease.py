"""EASE (Steck, 2019): which items belong together, whatever their order, in closed form.

X says for each user which items he turned to. Of the inverse P of XᵀX + lambda, the weight of item
a for item b is -P[a, b] / P[b, b], and none for itself. Of each item only the strongest positive
weights are kept, so the matrix stays small. A user's score for b is the sum over his last items.

Fitting holds an (items, items) matrix in memory: a catalogue of more than `items_at_most` is cut to
its most popular. Never reads ids, files or clocks while it scores.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inference.models.sparse import Sparse

_POSITIVE = 1e-4
"""A weight below this changes no slate."""


@dataclass(frozen=True)
class EaseSettings:
    """Usual values; none of them was chosen on a test."""

    ridge: float = 300.0
    """lambda: how much evidence it takes to believe that two items belong together."""
    kept: int = 200
    """Weights kept of each item."""
    items_at_most: int = 15_000
    """Of 4-byte numbers that is a matrix of 900 MB."""


def fit_ease(
    user: NDArray[np.int64], place: NDArray[np.int64], items: int, settings: EaseSettings
) -> Sparse:
    """`user` and `place` are (rows,), an interaction each; repeats count once. Places are by
    popularity. Row a of the result holds what a says of others.
    """
    covered = min(items, settings.items_at_most)
    rows = place < covered
    pairs = np.unique(user[rows] * covered + place[rows])  # (pairs,) by user
    users, places = pairs // covered, pairs % covered  # (pairs,)
    gram = _gram(users, places, covered)  # (covered, covered)
    gram.diagonal().add_(settings.ridge)
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(gram))  # (covered, covered)
    weight = -inverse / inverse.diagonal()  # (covered, covered), row for column
    weight.fill_diagonal_(0)
    strongest, successors = weight.topk(min(settings.kept, covered), dim=1)  # (covered, kept)
    strong = strongest > _POSITIVE  # (covered, kept)
    count = torch.zeros(items, dtype=torch.int64)
    count[:covered] = strong.sum(1)  # (items,)
    starts = torch.cat([torch.zeros(1, dtype=torch.int64), count.cumsum(0)])  # (items + 1,)
    source = torch.arange(covered)[:, None].expand_as(successors)  # (covered, kept)
    order = (source * items + successors)[strong].argsort()  # (entries,) by source and successor
    return Sparse(starts, successors[strong][order], strongest[strong][order])


def _gram(users: NDArray[np.int64], places: NDArray[np.int64], items: int) -> Tensor:
    """How many users each two items share, (items, items) float32."""
    gram = torch.zeros(items * items)
    begins = np.flatnonzero(np.diff(users, prepend=-1))
    for begin, end in zip(begins, [*begins[1:], len(users)], strict=True):
        of_user = torch.from_numpy(places[begin:end])  # (n,)
        both = (of_user[:, None] * items + of_user[None, :]).flatten()  # (n * n,)
        gram[both] += 1  # no two are alike
    return gram.view(items, items)
