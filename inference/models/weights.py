"""A fitted model as one file, model.npz, and back."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from inference import arrays
from inference.compression.stored import rebuilt, tensors_of
from inference.errors import ReleaseError
from inference.models.answer import Model
from inference.models.blend import SEQUENTIAL, Blend, Reading
from inference.models.sparse import Sparse
from inference.models.transformer import Transformer, TransformerSettings
from inference.models.transitions import Transitions, TransitionSettings
from inference.models.vocabulary import Vocabulary, to_hashes

MODEL_FILE = "model.npz"
TRANSITIONS, BLEND = 1, 3
"""Formats. The first is still read, so that what it holds can be gone back to. In 2, which no
version of Tidemill wrote, a blend's features meant something else.
"""

Found = Mapping[str, NDArray[Any]]


def encode(model: Model) -> bytes:
    """The same model gives the same bytes."""
    head = {
        "hashes": to_hashes(model.vocabulary.images.cpu().numpy()),  # (items,) by popularity
        "share": model.share.cpu().numpy(),  # (items,)
    }
    if isinstance(model, Blend):
        return arrays.encode({"format": BLEND, **head, **_parts(model)})
    counted = _sparse(model.starts, model.successors, model.weights)
    return arrays.encode({"format": TRANSITIONS, **head, **counted, **asdict(model.settings)})


def load(path: Path) -> Model:
    """Raises ReleaseError for a file that is damaged or of another format."""
    found = arrays.read(path)
    number = int(found.get("format", -1))
    read = _READ.get(number)
    if read is None:
        raise ReleaseError(f"{path}: format {number} is not known, {TRANSITIONS} and {BLEND} are")
    try:
        return read(found)
    except KeyError as error:
        raise ReleaseError(f"{path}: it lacks {error}") from None
    except (msgspec.MsgspecError, RuntimeError, ValueError) as error:
        raise ReleaseError(f"{path}: its parts do not fit together: {error}") from None


def _parts(blend: Blend) -> dict[str, ArrayLike]:
    kept: dict[str, ArrayLike] = {
        "weights": blend.weights.cpu().numpy(),  # (readings * FEATURES,)
        "readings": _text(blend.readings),
    }
    for name, source in blend.counted.items():
        found = _sparse(source.starts, source.successors, source.weights)
        kept |= {f"{name}/{part}": table for part, table in found.items()}
    if blend.transformer is not None:
        kept[f"{SEQUENTIAL.source}/settings"] = _text(blend.transformer.settings)
        for name, table in tensors_of(blend.transformer).items():
            kept[f"{SEQUENTIAL.source}/{name}"] = table.cpu().numpy()
    return kept


def _blend(found: Found) -> Blend:
    vocabulary = Vocabulary(found["hashes"])
    readings = msgspec.json.decode(found["readings"].tobytes(), type=list[Reading])
    names = dict.fromkeys(reading.source for reading in readings)
    return Blend(
        vocabulary,
        torch.from_numpy(found["share"]),
        {name: Sparse(*_csr(found, f"{name}/")) for name in names if f"{name}/starts" in found},
        readings,
        torch.from_numpy(found["weights"]),
        _transformer(found, len(vocabulary)) if SEQUENTIAL in readings else None,
    )


def _transformer(found: Found, items: int) -> Transformer:
    prefix = f"{SEQUENTIAL.source}/"
    tables = {n.removeprefix(prefix): t for n, t in found.items() if n.startswith(prefix)}
    said = tables.pop("settings").tobytes()
    return rebuilt(
        items,
        msgspec.json.decode(said, type=TransformerSettings),
        {name: torch.from_numpy(table) for name, table in tables.items()},
    )


def _transitions(found: Found) -> Transitions:
    settings = {field.name: found[field.name].item() for field in fields(TransitionSettings)}
    return Transitions(
        Vocabulary(found["hashes"]),
        *_csr(found),
        torch.from_numpy(found["share"]),
        TransitionSettings(**settings),
    )


def _sparse(starts: torch.Tensor, successors: torch.Tensor, weights: torch.Tensor) -> Found:
    return {
        "starts": starts.cpu().numpy(),  # (items + 1,)
        "successors": successors.cpu().numpy().astype(np.int32),  # (entries,)
        "weights": weights.cpu().numpy(),  # (entries,)
    }


def _csr(found: Found, prefix: str = "") -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    return (
        torch.from_numpy(found[f"{prefix}starts"]),
        torch.from_numpy(found[f"{prefix}successors"].astype(np.int64)),
        torch.from_numpy(found[f"{prefix}weights"]),
    )


def _text(value: object) -> NDArray[np.uint8]:
    return np.frombuffer(msgspec.json.encode(value), np.uint8)


_READ: Mapping[int, Callable[[Found], Model]] = {TRANSITIONS: _transitions, BLEND: _blend}
