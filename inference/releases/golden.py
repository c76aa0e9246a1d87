"""Golden inputs and outputs: what every server of a release must reproduce.

'Ready' and an OK status prove nothing: a server with the wrong NumPy answers wrongly and is both.
So a release carries real histories with the answers of the model that was fitted, and they are
compared wherever the model is loaded: in Triton itself, and from outside through its protocol.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from inference import arrays
from inference.errors import GoldenError, ReleaseError
from inference.models.answer import INPUTS, OUTPUTS, Tensors, answer
from inference.models.requests import request_of
from inference.training.fitted import Fitted
from schemas.releases import GOLDEN
from schemas.serving import BECAUSE, HISTORY_ITEMS, ITEMS, MAX_USERS, SCORES, SOURCE_CODES

K = 20
TIE = 1e-3
"""Scores this close, of each other or relative to their size, may stand in either order."""


def make(fitted: Fitted) -> bytes:
    """golden.npz for a fitted model."""
    request = golden_request(fitted)
    return arrays.encode({**request, **answer(fitted.model.cpu(), request)})


def golden_request(fitted: Fitted) -> Tensors:
    """Users of the log, one who is new and one with an item that the model does not know."""
    order, starts = fitted.fitted_on.by_user
    lengths = np.diff(starts)
    real = np.flatnonzero(lengths)[:: max(1, np.count_nonzero(lengths) // (MAX_USERS - 2))]
    histories = [order[starts[user] : starts[user + 1]] for user in real[: MAX_USERS - 2]]
    request = request_of(fitted.fitted_on, [*histories, order[:0], histories[0]], K)
    request[HISTORY_ITEMS][-1] = np.roll(request[HISTORY_ITEMS][-1], 1)
    request[HISTORY_ITEMS][-1, 0] = _unknown(request)
    return request


def _unknown(request: Tensors) -> np.uint64:
    """A hash that is no item of the histories; that a model knows it by chance is out of reach."""
    mixed: np.uint64 = np.bitwise_xor.reduce(np.unique(request[HISTORY_ITEMS]))
    return mixed ^ np.uint64(0x9E3779B97F4A7C15)


def read(path: Path) -> tuple[Tensors, Tensors]:
    """Inputs and outputs. Raises ReleaseError."""
    found = arrays.read(path)
    missing = {*INPUTS, *OUTPUTS} - set(found)
    if missing:
        raise ReleaseError(f"{path}: it lacks {', '.join(sorted(missing))}")
    return {n: found[n] for n in INPUTS}, {n: found[n] for n in OUTPUTS}


def check_answers(path: Path, ask: Callable[[Tensors], Tensors], server: str) -> None:
    """Asks all golden users at once and the first alone. Raises GoldenError or ReleaseError."""
    inputs, expected = read(path)
    if not any(expected[ITEMS].any(1)):
        raise ReleaseError(f"{path}: its golden outputs are empty")
    for rows in (slice(None), slice(1)):
        found = ask({name: table[rows] for name, table in inputs.items()})
        wrong = difference({name: table[rows] for name, table in expected.items()}, found)
        if wrong:
            raise GoldenError(f"{server} does not reproduce {path.parent.name}/{GOLDEN}: {wrong}")


def difference(expected: Tensors, found: Tensors) -> str | None:
    """What is wrong, in words, or None. Items may change places only where scores tie."""
    for name in OUTPUTS:
        if name not in found:
            return f"{name} is missing"
        if found[name].shape != expected[name].shape:
            return f"{name} has shape {found[name].shape} instead of {expected[name].shape}"
    for user, items in enumerate(found[ITEMS]):
        if len(np.unique(items[items != 0])) < np.count_nonzero(items):
            return f"user {user}: an item stands in two places"
        for place in range(expected[ITEMS].shape[1]):
            wrong = _wrong_at(expected, found, user, place)
            if wrong:
                return f"user {user}, place {place}: {wrong}"
    return None


def _wrong_at(expected: Tensors, found: Tensors, user: int, place: int) -> str | None:
    scores, golden = expected[SCORES][user].tolist(), expected[ITEMS][user].tolist()
    score, item = float(found[SCORES][user, place]), int(found[ITEMS][user, place])
    if not _tied(score, scores[place]):
        return f"score {score:g} instead of {scores[place]:g}"
    if item == golden[place]:
        origin = place
    elif item in golden and item and golden[place] and _tied(score, scores[golden.index(item)]):
        origin = golden.index(item)
    else:
        # One that is not among the golden may only stand for the last, which cut it off at a tie.
        last = scores[sum(map(bool, golden)) - 1]
        cut_off = item and golden[place] and item not in golden and _tied(score, last)
        return None if cut_off else f"item {item} instead of {golden[place]}"
    for name in (SOURCE_CODES, BECAUSE):
        if found[name][user, place] != expected[name][user, origin]:
            return f"{name} {found[name][user, place]} instead of {expected[name][user, origin]}"
    return None


def _tied(one: float, other: float) -> bool:
    return abs(one - other) <= TIE * min(1.0, max(abs(one), abs(other))) + 1e-9
