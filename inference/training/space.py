"""Fits a release's text space: the encoder's head, the items' vectors, the scale of their scores.

The scale says what an item that nobody has touched is worth beside the model's own candidates: as
much as a candidate that people turn to next as often. How often they turn to an item of some
cosine, and to a candidate of some score, is a logistic curve each, fitted on the validation items
of leave-one-out; where the two are equally likely, cosine and score are worth the same. What is
fitted here has not seen these items; the model asked for its scores is fitted without them too.

Called by `inference.training.train`. The same log, model and seed give the same space.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inference.data.described import texts_of
from inference.data.interactions import Interactions
from inference.data.split import Split, leave_one_out
from inference.errors import DataError
from inference.models.answer import Model, answer
from inference.models.requests import request_of
from inference.models.space import Space
from inference.models.text import EncoderName, TextEncoder
from inference.models.threads import one_thread
from inference.models.vocabulary import to_hashes
from inference.training.vectors import fit_vectors
from schemas.releases import TextSpace
from schemas.serving import ITEMS, MAX_K, SCORES

SCALE_USERS = 1_000
"""Two curves of two numbers each need no more; drawn evenly from all."""
_SAMPLED = 200
"""Items a user that were not turned to next, on the text's side; what is left out is counted."""
_USERS_AT_ONCE = 64
_STEPS = 50
_RIDGE = 0.1
"""As if by a tenth of a pair: keeps both numbers finite where a score tells hits and misses apart
without fail, or where there is no hit.
"""
_LEAST_SLOPE = 1e-6


@dataclass(frozen=True)
class FittedSpace:
    encoder: TextEncoder
    space: Space
    says: TextSpace


def can_be_fitted(log: Interactions) -> bool:
    """Whether something is said of the items, and somebody has one to hold out."""
    positive = log.positive()
    often = np.bincount(positive.user, minlength=1)  # (users,)
    return bool(often.max() > 2 and any(texts_of(positive)))


def fit_space(
    log: Interactions, known: NDArray[np.int64], judged: Model, name: EncoderName, seed: int = 0
) -> FittedSpace:
    """`known` are the places in the log of the model's items; `judged` is a model like it that has
    not seen the validation items. Raises DataError where the items have no text, or nobody has
    items to hold out.
    """
    words = texts_of(log)
    if not any(words[item] for item in known):
        raise DataError(f"{log.name} says nothing of its items, so no text can place them")
    held = leave_one_out(log, "validation")
    encoder, vectors = fit_vectors(held.fit, known, name, seed)
    space = Space(log.item_hashes[known], vectors).eval()
    with one_thread():
        slope, offset = _scale(held, judged, space, seed)
    says = TextSpace(encoder=name, dim=space.dim, slope=slope, offset=offset)
    return FittedSpace(encoder, space, says)


def _scale(held: Split, judged: Model, space: Space, seed: int) -> tuple[float, float]:
    random = np.random.default_rng(seed)
    step = max(1, -(-len(held.histories) // SCALE_USERS))
    users = range(0, len(held.histories), step)
    scored, near = [], []  # (pairs, 2) each: score or cosine, and whether it was a hit
    hashes = to_hashes(space.vocabulary.images.numpy())  # (items,)
    # Of the misses a share is drawn, so each hit looks more likely than it is.
    left_out = float(np.log(max(1.0, len(hashes) / _SAMPLED)))
    count = min(_SAMPLED, len(hashes))
    for begin in range(0, len(users), _USERS_AT_ONCE):
        some = users[begin : begin + _USERS_AT_ONCE]
        targets = held.log.item_hashes[[held.targets[user][0] for user in some]]  # (users,)
        request = request_of(held.log, [held.histories[user] for user in some], MAX_K)
        found = answer(judged, request)
        there = found[ITEMS] != 0  # (users, K)
        hit = found[ITEMS] == targets[:, None]  # (users, K)
        scored.append(np.stack([found[SCORES][there], hit[there]], 1))
        cosines = space.users(request) @ space.vectors.numpy().T  # (users, items)
        drawn = random.integers(len(hashes), size=(len(some), count))  # (users, count)
        missed = hashes[drawn] != targets[:, None]  # (users, count)
        near.append(np.stack([np.take_along_axis(cosines, drawn, 1)[missed], 0 * drawn[missed]], 1))
        row, place = np.nonzero(hashes[None, :] == targets[:, None])  # (users,) at most
        near.append(np.stack([cosines[row, place], np.ones(len(row))], 1))
    if not sum(map(len, scored)):
        return 0.0, 0.0  # they have turned to everything: nothing tells what a text is worth
    of_score, at_score = logistic(*np.concatenate(scored).T)
    of_cosine, at_cosine = logistic(*np.concatenate(near).T)
    of_score, of_cosine = max(of_score, _LEAST_SLOPE), max(of_cosine, 0.0)
    return of_cosine / of_score, (at_cosine - left_out - at_score) / of_score


def logistic(value: NDArray[np.float64], hit: NDArray[np.float64]) -> tuple[float, float]:
    """Slope and offset of the log odds of a hit, by Newton's method; both arguments (pairs,)."""
    mean, spread = value.mean(), max(value.std(), 1e-9)
    design = np.stack([(value - mean) / spread, np.ones_like(value)], 1)  # (pairs, 2)
    weights = np.zeros(2)
    pull = np.array([_RIDGE, _RIDGE])
    for _ in range(_STEPS):
        chance = 1 / (1 + np.exp(-np.clip(design @ weights, -30, 30)))  # (pairs,)
        gradient = design.T @ (chance - hit) + pull * weights  # (2,)
        curve = (design.T * (chance * (1 - chance))) @ design + np.diag(pull)  # (2, 2)
        change = np.linalg.solve(curve, gradient)
        weights -= change
        if np.abs(change).max() < 1e-9:
            break
    slope = weights[0] / spread
    return float(slope), float(weights[1] - slope * mean)
