"""Triton's answer as candidates, or a sentence that says why it is not one.

Status OK proves nothing: a wrong numpy in the model's environment gives other users' rows, a
half-loaded model NaN. Whatever contradicts the request is refused as a whole. Pure.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas.identifiers import NO_ITEM
from schemas.serving import (
    BECAUSE,
    HISTORY_ITEMS,
    ITEMS,
    SCORES,
    SOURCE_CODES,
    SOURCES,
    USER_VECTOR,
)
from streams.scoring.candidates import Candidate, Scored, Wanted
from streams.scoring.encode import Tensors

_DTYPES = {ITEMS: "UINT64", SCORES: "FP32", SOURCE_CODES: "UINT8", BECAUSE: "UINT64"}
OUTPUTS = tuple(_DTYPES)
"""Of every answer; the users' vectors come beside them where they are wanted."""
_NO_SOURCE = SOURCES.index("none")


class GarbageError(Exception):
    """An answer that cannot be one to this request. Another server may give a right one."""


def read_answer(
    result: Any, model: str, version: str, wanted: Sequence[Wanted], sent: Tensors
) -> list[Scored]:
    """Candidates of each user, best first. `result` is tritonclient's InferResult, `sent` the
    request's tensors. Raises GarbageError.
    """
    response = result.get_response()
    if (response.model_name, response.model_version) != (model, version):
        raise GarbageError(
            f"{response.model_name} {response.model_version} answered for {model} {version}"
        )
    shape = (len(wanted), max(user.k for user in wanted))
    items, scores, sources, because = (_tensor(result, name, shape) for name in _DTYPES)
    there = items != NO_ITEM  # (N, K)
    if not np.isfinite(scores[there]).all():
        raise GarbageError("a score is not a finite number")
    codes = sources[there]
    if (codes >= len(SOURCES)).any() or (codes == _NO_SOURCE).any():
        raise GarbageError(f"source codes {sorted(set(codes.tolist()))} are not all known")
    rows = zip(items.tolist(), scores.tolist(), sources.tolist(), because.tolist(), strict=True)
    histories = sent[HISTORY_ITEMS].tolist()
    scored = [
        Scored(_candidates(user, set(history), zip(*row, strict=True)))
        for user, history, row in zip(wanted, histories, rows, strict=True)
    ]
    if not any(user.with_vector for user in wanted):
        return scored
    vectors = _vectors(result, len(wanted))  # (N, dim)
    return [one._replace(vector=vector) for one, vector in zip(scored, vectors, strict=True)]


def _vectors(result: Any, users: int) -> NDArray[np.float32]:
    described = result.get_output(USER_VECTOR)
    if described is None:
        raise GarbageError(f"{USER_VECTOR} is missing")
    dim = described.shape[-1]
    vectors = _tensor(result, USER_VECTOR, (users, dim))  # (N, dim)
    if not np.isfinite(vectors).all():
        raise GarbageError("a user's vector is not of finite numbers")
    return vectors


def _tensor(result: Any, name: str, shape: tuple[int, int]) -> NDArray[Any]:
    described = result.get_output(name)
    if described is None:
        raise GarbageError(f"{name} is missing")
    found = (described.datatype, tuple(described.shape))
    wanted = (_DTYPES.get(name, "FP32"), shape)
    if found != wanted:
        raise GarbageError(f"{name} is {found}, not {wanted}")
    try:
        tensor: NDArray[Any] = result.as_numpy(name)
    except ValueError as error:
        raise GarbageError(f"{name}: {error}") from error
    return tensor


def _candidates(user: Wanted, history: set[int], row: Any) -> list[Candidate]:
    """Raises GarbageError for an item that was excluded or comes twice, or for a reason that is
    not in the user's history.
    """
    excluded = set(user.exclude)
    given: set[int] = set()
    candidates = []
    for item, score, source, because in row:
        if item == NO_ITEM:
            continue
        if item in excluded:
            raise GarbageError(f"item {item:016x} was excluded")
        if item in given:
            raise GarbageError(f"item {item:016x} comes twice")
        if because != NO_ITEM and because not in history:
            raise GarbageError(f"item {because:016x} gives a reason and is not in the history")
        given.add(item)
        reason = None if because == NO_ITEM else because
        candidates.append(Candidate(item, score, SOURCES[source], reason))
    return candidates[: user.k]
