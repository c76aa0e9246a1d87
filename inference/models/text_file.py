"""A release's text space as one file, text.npz, and back: item vectors, and the encoder's head.

A pretrained tower is not in it. Its package is named and must be installed where texts are encoded;
what the release's encoder said of some texts is in the file, so another tower does not pass for it.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray

from inference import arrays
from inference.errors import GoldenError, ReleaseError
from inference.models.space import Space
from inference.models.text import ENCODERS, TextEncoder, load_encoder
from inference.models.vocabulary import to_hashes

FORMAT = 1
_ALIKE = 0.999
"""Cosine of two vectors that are the same but for a machine's rounding."""
_GOLDEN_TEXTS = ("", "a red shampoo, 250 ml", "指甲油 red", "Toy Story (1995) | Animation | Comedy")
_LACKING = "it lacks {} or its parts do not fit together; train again"


@dataclass(frozen=True)
class Said:
    """What the release's encoder says of some texts, and where its golden users stand."""

    texts: tuple[str, ...]
    vectors: NDArray[np.float32]  # (texts, dim)
    users: NDArray[np.float32]  # (golden users, dim)


def encode(encoder: TextEncoder, space: Space, golden: dict[str, NDArray[Any]]) -> bytes:
    """`golden` is the golden request of the release."""
    vectors = space.vectors.cpu().numpy().astype(np.float16)  # (items, dim)
    return arrays.encode(
        {
            "format": FORMAT,
            "encoder": _bytes(encoder.name),
            "head": encoder.head.weight.detach().cpu().numpy(),  # (dim, dim)
            "hashes": to_hashes(space.vocabulary.images.cpu().numpy()),  # (items,)
            "vectors": vectors,
            "golden/texts": _bytes(_GOLDEN_TEXTS),
            "golden/vectors": encoder.encode(_GOLDEN_TEXTS).numpy(),
            "golden/users": space.users(golden),
        }
    )


def load_space(path: Path) -> Space:
    """Raises ReleaseError."""
    found = _read(path, "hashes", "vectors")
    vectors = torch.from_numpy(found["vectors"].astype(np.float32))  # (items, dim)
    if found["hashes"].shape != vectors.shape[:1]:
        raise ReleaseError(f"{path}: {_LACKING.format('vectors')}")
    return Space(found["hashes"], vectors).eval()


def load_said(path: Path) -> Said:
    """Raises ReleaseError."""
    found = _read(path, "golden/texts", "golden/vectors", "golden/users")
    texts = msgspec.json.decode(found["golden/texts"].tobytes(), type=tuple[str, ...])
    return Said(texts, found["golden/vectors"], found["golden/users"])


def load_encoder_of(path: Path) -> TextEncoder:
    """Raises ReleaseError, also where the package with the tower is not installed."""
    found = _read(path, "encoder", "head")
    said = msgspec.json.decode(found["encoder"].tobytes())
    name = next((known for known in ENCODERS if known == said), None)
    if name is None:
        raise ReleaseError(f"{path}: the encoder {said!r} is not known, {', '.join(ENCODERS)} are")
    encoder = load_encoder(name)
    try:
        encoder.head.load_state_dict({"weight": torch.from_numpy(found["head"])})
    except RuntimeError as error:
        raise ReleaseError(f"{path}: {_LACKING.format('head')}: {error}") from None
    return encoder


def check_vectors(
    path: Path, expected: NDArray[np.float32], found: NDArray[np.float32], server: str
) -> None:
    """Raises GoldenError where they do not point the same way; 0 is like nothing but 0."""
    if found.shape != expected.shape:
        raise GoldenError(f"{server}: vectors are {found.shape}, {path.name} says {expected.shape}")
    length = np.linalg.norm(expected, axis=1)  # (rows,)
    cosine = (found * expected).sum(1)  # (rows,)
    wrong = np.flatnonzero(np.where(length > 0, cosine < _ALIKE, np.abs(found).sum(1) > 0))
    if len(wrong) or not np.isfinite(found).all():
        raise GoldenError(
            f"{server} does not reproduce the vectors of {path.parent.name}/{path.name}:"
            f" row {wrong[0] if len(wrong) else 'with NaN'}"
        )


def _read(path: Path, *names: str) -> dict[str, NDArray[Any]]:
    found = arrays.read(path)
    if int(found.get("format", -1)) != FORMAT:
        raise ReleaseError(f"{path}: its format is not {FORMAT}")
    for name in names:
        if name not in found:
            raise ReleaseError(f"{path}: {_LACKING.format(name)}")
    return found


def _bytes(value: object) -> NDArray[np.uint8]:
    return np.frombuffer(msgspec.json.encode(value), np.uint8)
