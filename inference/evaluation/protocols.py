"""What a model may learn from and what it is asked: the ways to split an interaction log.

leave-one-out: of each user with three interactions or more, the last is the test and the one
before it the validation; the model is fitted on the rest. Asked for the test, it sees the
validation item in the history. Users with fewer are only learnt from. This is the protocol of the
published figures; it lets the model see other users' future.

time-split: everything before one moment is learnt from, and each user is asked once: what came
first at or after it? That is what a shop would have seen on that day.

Only interactions that turn to an item count, as history and as target.
"""

from itertools import pairwise

import numpy as np

from inference.data.interactions import Interactions
from inference.data.split import Part, Split, leave_one_out
from inference.errors import DataError

__all__ = ["FIT_SHARE", "Part", "leave_one_out", "time_split"]

FIT_SHARE = 0.9
"""Of the interactions, where a time-split is not told its moment."""


def time_split(
    dataset: Interactions, until_ms: int | None = None, next_items: int = 1, *, new_only: bool
) -> Split:
    """Each user who came before and after is asked for the next `next_items` items; with
    `new_only`, as where seen items are excluded, for the next that are not in the history.
    Raises DataError.
    """
    if not dataset.timed:
        raise DataError(f"{dataset.name} has no times; use leave-one-out")
    log = dataset.positive()
    if until_ms is None:
        until_ms = int(np.quantile(log.time_ms, FIT_SHARE, method="higher")) if len(log) else 0
    order, starts = log.by_user
    histories, targets = [], []
    for begin, end in pairwise(starts.tolist()):
        rows = order[begin:end]
        before = int(np.searchsorted(log.time_ms[rows], until_ms))
        later = log.item[rows[before:]]
        if new_only:
            later = later[~np.isin(later, log.item[rows[:before]])]
        wanted = np.array(list(dict.fromkeys(later.tolist()))[:next_items], np.int32)
        if before and len(wanted):
            histories.append(rows[:before])
            targets.append(wanted)
    if not histories:
        raise DataError(f"no user of {dataset.name} did something before and after {until_ms}")
    return Split(log, log.until(until_ms), histories, targets, until_ms)
