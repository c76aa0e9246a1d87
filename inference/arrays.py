"""Named arrays as one .npz file: models and golden outputs. Reading runs no code from the file."""

import io
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import ArrayLike, NDArray

from inference.errors import ReleaseError


def encode(arrays: dict[str, ArrayLike]) -> bytes:
    """The same arrays give the same bytes."""
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def read(path: Path) -> dict[str, NDArray[Any]]:
    """Raises ReleaseError for a file that is damaged or no .npz."""
    try:
        with np.load(path, allow_pickle=False) as file:
            return dict(file)
    except (OSError, EOFError, ValueError, BadZipFile, AttributeError, TypeError) as error:
        raise ReleaseError(f"{path}: it cannot be read as .npz: {error}") from error
