"""User states as the tensors of a request (schemas.serving). Pure. Called by `client`."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas.serving import (
    EXCLUDE,
    HISTORY,
    HISTORY_ITEMS,
    HISTORY_KINDS,
    HISTORY_TIMES,
    HISTORY_VALUES,
    K,
)
from schemas.state import INTERACTION_BYTES
from streams.scoring.candidates import Wanted
from streams.scoring.columns import interactions, times_ms

Tensors = dict[str, NDArray[Any]]


def encode(wanted: Sequence[Wanted]) -> Tensors:
    """The input tensors for these users (N), by name; shapes as schemas.serving gives them."""
    n = len(wanted)
    packed = b"".join(user.state.history for user in wanted)
    entries = interactions(packed)  # (all entries,)
    counts = np.array([len(user.state.history) // INTERACTION_BYTES for user in wanted])  # (N,)
    rows = np.repeat(np.arange(n), counts)  # (all entries,)
    ends = np.cumsum(counts)  # (N,)
    # A history is oldest first and a row newest first, so places are counted from the end.
    columns = ends[rows] - 1 - np.arange(len(entries))  # (all entries,)
    fits = columns < HISTORY
    entries, rows, columns = entries[fits], rows[fits], columns[fits]

    def place(values: NDArray[Any], dtype: type[np.generic]) -> NDArray[Any]:
        tensor = np.zeros((n, HISTORY), dtype)  # (N, HISTORY)
        tensor[rows, columns] = values
        return tensor

    return {
        HISTORY_ITEMS: place(entries["item"], np.uint64),
        HISTORY_KINDS: place(entries["kind"], np.uint8),
        HISTORY_VALUES: place(entries["value"], np.uint16),
        HISTORY_TIMES: place(times_ms(entries), np.int64),
        EXCLUDE: _excluded(wanted),
        K: np.array([[user.k] for user in wanted], np.int32),  # (N, 1)
    }


def _excluded(wanted: Sequence[Wanted]) -> NDArray[np.uint64]:
    width = max(1, *(len(user.exclude) for user in wanted))
    tensor = np.zeros((len(wanted), width), np.uint64)  # (N, E)
    for row, user in enumerate(wanted):
        tensor[row, : len(user.exclude)] = np.fromiter(
            user.exclude, np.uint64, count=len(user.exclude)
        )
    return tensor
