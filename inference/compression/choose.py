"""Which of several sizes of one model to release: the fastest that is as good as the best."""

from collections.abc import Sequence
from dataclasses import dataclass

LOSS_AT_MOST = 0.01
"""Of the best NDCG."""


@dataclass(frozen=True)
class Measured:
    """`ndcg` on validation items, 0 to 1."""

    name: str
    ndcg: float
    rows_per_s: float


def choose(found: Sequence[Measured]) -> Measured:
    """Of equally fast ones the better. Raises ValueError where there is none."""
    best = max(one.ndcg for one in found)
    good = [one for one in found if one.ndcg >= best * (1 - LOSS_AT_MOST)]
    return max(good, key=lambda one: (one.rows_per_s, one.ndcg))
