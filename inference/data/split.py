"""A split of an interaction log: what may be learnt from, who is asked, and what was right.

Read by training and evaluation alike; `inference.evaluation.protocols` says what the splits mean.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from inference.data.interactions import Interactions
from inference.errors import DataError

Part = Literal["test", "validation"]


@dataclass(frozen=True)
class Split:
    """`histories` are rows of `log`, oldest first; `targets` are items. One of each a user."""

    log: Interactions
    fit: Interactions
    histories: list[NDArray[np.int64]]
    targets: list[NDArray[np.int32]]
    until_ms: int | None = None


def leave_one_out(
    dataset: Interactions, part: Part = "test", *, learn_validation: bool = False
) -> Split:
    """`learn_validation` is for the test: only its items are then kept from what may be learnt.
    Raises DataError if no user has three interactions.
    """
    log = dataset.positive()
    order, starts = log.by_user
    held_out = np.zeros(len(log), np.bool_)
    histories, targets = [], []
    back = 1 if part == "test" else 2
    hidden = 1 if part == "test" and learn_validation else 2
    for begin, end in pairwise(starts.tolist()):
        if end - begin < 3:
            continue
        rows = order[begin:end]
        held_out[rows[-hidden:]] = True
        histories.append(rows[:-back])
        targets.append(log.item[rows[-back]][None])
    if not histories:
        raise DataError(f"no user of {dataset.name} has three interactions to leave one out of")
    return Split(log, log.select(~held_out), histories, targets)
