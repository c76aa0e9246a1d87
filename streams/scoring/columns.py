"""The packed entries of a user's state as numpy columns, without a Python object an entry.

For the paths that look at every entry of every user who asks: the tensors of a request and the
rules of a slate. The layout is `schemas.state`'s; a test holds the two together. Pure.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas.state import MAPS, UserState

Columns = NDArray[Any]
"""A structured array, one row an entry, in the order of the state: oldest first."""

_TIME = [("time_high", ">u2"), ("time_low", ">u4")]
_INTERACTION = np.dtype(
    [*_TIME, ("event", ">u8"), ("kind", "u1"), ("value", ">u2"), ("item", ">u8")]
)
_MARK = np.dtype([*_TIME, ("key", ">u8"), ("flag", "u1")])


def interactions(history: bytes) -> Columns:
    """Columns event, kind, value and item of a packed history, or of several one after another."""
    return np.frombuffer(history, _INTERACTION)


def marks(state: UserState, name: str) -> Columns:
    """Columns key and flag of one of MAPS."""
    return np.frombuffer(state.maps[MAPS.index(name)], _MARK)


def times_ms(columns: Columns) -> NDArray[np.int64]:
    """The entries' times: numpy has no 48-bit numbers, so they come in two parts."""
    times: NDArray[np.int64] = (columns["time_high"].astype(np.int64) << 32) | columns["time_low"]
    return times
