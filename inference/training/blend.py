"""Fits the blend: its sources by counting, its ranker on held-out items of the validation part.

Pure: the same logs give the same model. Called by the evaluation.
"""

from collections.abc import Iterator

import numpy as np

from inference.data.interactions import Interactions
from inference.data.split import Split
from inference.models.answer import Tensors
from inference.models.blend import Blend
from inference.models.ease import EaseSettings, fit_ease
from inference.models.fit import by_popularity, fit_transitions
from inference.models.ranker import fit_ranker
from inference.models.requests import request_of
from inference.models.sparse import Sparse
from inference.models.transitions import TransitionSettings

RANKER_USERS = 4_000
"""A ranker of ten weights needs no more; they are drawn evenly from all."""
_USERS_AT_ONCE = 64


def fit_blend(log: Interactions, held: Split | None) -> Blend:
    """`held` says what the ranker is fitted on: sources counted on `held.fit` are asked for its
    targets; None leaves even weights. The blend's own sources are counted on `log`. Raises
    DataError.
    """
    blend = fit_sources(log)
    if held is None:
        return blend
    same = held.fit.fingerprint() == log.positive().fingerprint()
    judged = with_ranker(blend if same else fit_sources(held.fit), held)
    return Blend(blend.vocabulary, blend.share, _sparse(blend), blend.readings, judged.weights)


def fit_sources(log: Interactions) -> Blend:
    """The blend with even weights. Raises DataError."""
    log = log.positive()
    transitions = fit_transitions(log, TransitionSettings())
    known, _ = by_popularity(log)
    place = np.full(len(log.items), -1)
    place[known] = np.arange(len(known))
    user = log.user.astype(np.int64)  # (rows,)
    return Blend(
        transitions.vocabulary,
        transitions.share,
        {
            "transitions": Sparse(transitions.starts, transitions.successors, transitions.weights),
            "ease": fit_ease(user, place[log.item], len(known), EaseSettings()),
        },
    )


def with_ranker(blend: Blend, held: Split | None) -> Blend:
    """The same sources; the weights are those that put the targets of `held` highest."""
    if held is None:
        return blend
    weights = fit_ranker(blend, _asked(held))
    return Blend(blend.vocabulary, blend.share, _sparse(blend), blend.readings, weights)


def _sparse(blend: Blend) -> dict[str, Sparse]:
    return {name: part for name, part in blend.sources.items() if isinstance(part, Sparse)}


def _asked(
    held: Split,
) -> Iterator[tuple[Tensors, np.ndarray[tuple[int, ...], np.dtype[np.uint64]]]]:
    step = max(1, -(-len(held.histories) // RANKER_USERS))
    users = range(0, len(held.histories), step)
    for begin in range(0, len(users), _USERS_AT_ONCE):
        some = users[begin : begin + _USERS_AT_ONCE]
        targets = np.array([held.targets[user][0] for user in some])
        request = request_of(held.log, [held.histories[user] for user in some], 1)
        yield request, held.log.item_hashes[targets]
