"""The model behind the tensors of `schemas.serving`: NumPy in, NumPy out, checked on the way in.

Triton's model.py, the golden check and the evaluation all call `answer`, so what is judged is
what is served.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from inference.errors import RequestError
from inference.models.blend import Blend
from inference.models.transitions import Transitions
from inference.models.vocabulary import to_hashes, to_images
from schemas import serving

Tensors = dict[str, NDArray[Any]]
Model = Transitions | Blend
"""What can be released: both are asked and answer alike."""

INPUTS: dict[str, type[np.generic]] = {
    serving.HISTORY_ITEMS: np.uint64,
    serving.HISTORY_KINDS: np.uint8,
    serving.HISTORY_VALUES: np.uint16,
    serving.HISTORY_TIMES: np.int64,
    serving.EXCLUDE: np.uint64,
    serving.K: np.int32,
}
OUTPUTS: dict[str, type[np.generic]] = {
    serving.ITEMS: np.uint64,
    serving.SCORES: np.float32,
    serving.SOURCE_CODES: np.uint8,
    serving.BECAUSE: np.uint64,
}


def answer(model: Model, request: Mapping[str, NDArray[Any]]) -> Tensors:
    """One slate a row. Raises RequestError."""
    slates = model(**read_tensors(request, model.share.device))
    items, scores, sources, because = (table.cpu().numpy() for table in slates)
    return {
        serving.ITEMS: to_hashes(items),
        serving.SCORES: scores,
        serving.SOURCE_CODES: sources.astype(np.uint8),
        serving.BECAUSE: to_hashes(because),
    }


def read_tensors(
    request: Mapping[str, NDArray[Any]], device: torch.device
) -> dict[str, torch.Tensor]:
    """The arguments of a model's `forward`, all int64. Raises RequestError."""
    _check(request)

    def tensor(name: str) -> torch.Tensor:
        array = request[name]
        images = to_images(array) if array.dtype == np.uint64 else array.astype(np.int64)
        return torch.from_numpy(images).to(device)

    return {
        "history": tensor(serving.HISTORY_ITEMS),
        "kinds": tensor(serving.HISTORY_KINDS),
        "values": tensor(serving.HISTORY_VALUES),
        "times": tensor(serving.HISTORY_TIMES),
        "exclude": tensor(serving.EXCLUDE),
        "k": tensor(serving.K)[:, 0],
    }


def _check(request: Mapping[str, NDArray[Any]]) -> None:
    for name, wanted in INPUTS.items():
        if name not in request:
            raise RequestError(f"{name} is missing")
        if request[name].dtype != wanted or request[name].ndim != 2:
            found = f"{request[name].dtype} of {request[name].ndim} dimensions"
            raise RequestError(f"{name} is {found}, not {np.dtype(wanted)} of 2")
    users = len(request[serving.K])
    for name in INPUTS:
        if len(request[name]) != users or users == 0:
            raise RequestError(f"{name} has {len(request[name])} rows, {serving.K} has {users}")
    shape = request[serving.HISTORY_ITEMS].shape
    for name in (serving.HISTORY_KINDS, serving.HISTORY_VALUES, serving.HISTORY_TIMES):
        if request[name].shape != shape:
            raise RequestError(f"{name} is {request[name].shape}, not {shape} as the items are")
    k = request[serving.K]
    if k.shape[1] != 1 or k.min() < 1 or k.max() > serving.MAX_K:
        raise RequestError(f"{serving.K} must be one number a row, 1 to {serving.MAX_K}")


def merge(requests: list[Tensors]) -> Tensors:
    """Several requests as one; EXCLUDE is padded to the widest. Histories have one length."""
    widest = max(request[serving.EXCLUDE].shape[1] for request in requests)
    merged: Tensors = {}
    for name in INPUTS:
        parts = [request[name] for request in requests]
        if name == serving.EXCLUDE:
            parts = [np.pad(part, ((0, 0), (0, widest - part.shape[1]))) for part in parts]
        merged[name] = np.concatenate(parts)
    return merged


def split(answers: Tensors, requests: list[Tensors]) -> list[Tensors]:
    """The answers of each request of a merged one, as wide as its own largest K."""
    parts, start = [], 0
    for request in requests:
        end, width = start + len(request[serving.K]), int(request[serving.K].max())
        parts.append({name: table[start:end, :width] for name, table in answers.items()})
        start = end
    return parts
