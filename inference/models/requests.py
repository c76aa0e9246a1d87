"""From rows of an interaction log to a request as a worker would send it.

Called by the evaluation and for golden inputs; a worker builds the same from its own state.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from inference.data.interactions import Interactions
from inference.models.answer import INPUTS, Tensors
from schemas import serving
from schemas.state import HISTORY_LIMIT, KIND_CODES

Rows = NDArray[np.int64]


def request_of(
    log: Interactions, histories: Sequence[Rows], k: int, *, exclude_seen: bool = True
) -> Tensors:
    """`histories` holds for each user the rows of the log, oldest first. With `exclude_seen`
    nothing of a user's whole history is asked for again.
    """
    users = len(histories)
    widest = max((len(rows) for rows in histories), default=0) if exclude_seen else 0
    shape = dict.fromkeys(INPUTS, HISTORY_LIMIT) | {serving.EXCLUDE: max(widest, 1), serving.K: 1}
    tensors: Tensors = {
        name: np.zeros((users, shape[name]), dtype) for name, dtype in INPUTS.items()
    }
    tensors[serving.K][:] = k
    for user, rows in enumerate(histories):
        newest = rows[::-1][:HISTORY_LIMIT]
        tensors[serving.HISTORY_ITEMS][user, : len(newest)] = log.item_hashes[log.item[newest]]
        tensors[serving.HISTORY_KINDS][user, : len(newest)] = log.kind[newest]
        tensors[serving.HISTORY_VALUES][user, : len(newest)] = _values(log, newest)
        tensors[serving.HISTORY_TIMES][user, : len(newest)] = log.time_ms[newest]
        if exclude_seen:
            tensors[serving.EXCLUDE][user, : len(rows)] = log.item_hashes[log.item[rows]]
    return tensors


def _values(log: Interactions, rows: Rows) -> NDArray[np.uint16]:
    """As schemas.state.Interaction writes them: a rating's share of its scale in 1/65535."""
    value = np.nan_to_num(log.value[rows])
    share = np.rint(np.clip(value / log.scale, 0, 1) * 65535)
    quantity = np.clip(value, 0, 65535)
    is_rating = log.kind[rows] == KIND_CODES["rating"]
    is_purchase = log.kind[rows] == KIND_CODES["purchase"]
    return np.where(is_rating, share, np.where(is_purchase, quantity, 0)).astype(np.uint16)
