"""How good ranked slates are, given what people turned to next. Pure NumPy.

HR@k: the share of users with a target among the k. NDCG@k: the discounted gain of the targets
found over that of the best possible order (Jarvelin and Kekalainen, 2002), each target worth 1.
MRR@k: one over the place of the first target found. Coverage@k: the share of the known items that
somebody was shown.
"""

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray


class Metrics(msgspec.Struct, frozen=True, kw_only=True):
    """Means over users, 0 to 1."""

    hr: float
    ndcg: float
    mrr: float
    coverage: float


def metrics(
    ranked: NDArray[np.int64], targets: Sequence[NDArray[np.int32]], known_items: int
) -> Metrics:
    """`ranked` is (users, k), items best first, negative where there is none; each user has at
    least one target, and no two alike.
    """
    users, k = ranked.shape
    discount = 1 / np.log2(np.arange(k) + 2)  # (k,)
    ideal = np.concatenate([[0.0], discount.cumsum()])  # (k + 1,) by number of targets
    hits = np.stack([np.isin(row, wanted) for row, wanted in zip(ranked, targets, strict=True)])
    gain = (hits * discount).sum(1)  # (users,)
    best = ideal[[min(len(wanted), k) for wanted in targets]]  # (users,)
    hit = hits.any(1)  # (users,)
    shown = np.unique(ranked[ranked >= 0])
    return Metrics(
        hr=float(hit.mean()),
        ndcg=float((gain / best).mean()),
        mrr=float((hit / (hits.argmax(1) + 1)).mean()),
        coverage=len(shown) / known_items if users else 0.0,
    )
