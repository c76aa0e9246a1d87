"""A split of an interaction log: what may be learnt from, who is asked, and what was right.

Made by `inference.evaluation.protocols`, read by training and evaluation alike.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inference.data.interactions import Interactions


@dataclass(frozen=True)
class Split:
    """`histories` are rows of `log`, oldest first; `targets` are items. One of each a user."""

    log: Interactions
    fit: Interactions
    histories: list[NDArray[np.int64]]
    targets: list[NDArray[np.int32]]
    until_ms: int | None = None
