"""Which of several sizes of one model to release: the fastest that is as good as the best."""

from collections.abc import Sequence
from dataclasses import dataclass

LOSS_AT_MOST = 0.01
"""Of the best NDCG."""
FASTER_BY = 0.05
"""Rates nearer than this to each other are equal: a busy machine tells no better."""


@dataclass(frozen=True)
class Measured:
    """`ndcg` on validation items, 0 to 1."""

    name: str
    ndcg: float
    rows_per_s: float


def choose(found: Sequence[Measured]) -> Measured:
    """Of equally fast ones the better, of equally good ones the first. Raises ValueError where
    there is none.
    """
    best = max(one.ndcg for one in found)
    good = [one for one in found if one.ndcg >= best * (1 - LOSS_AT_MOST)]
    fastest = max(one.rows_per_s for one in good)
    fast = [one for one in good if one.rows_per_s >= fastest * (1 - FASTER_BY)]
    return max(fast, key=lambda one: one.ndcg)
