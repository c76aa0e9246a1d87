"""What is asked of the scorer and what it gives back. Shared by the client, the fallback and the
slate.
"""

from collections.abc import Collection
from typing import Literal, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from schemas.serving import MAX_K
from schemas.state import UserState

Failure = Literal["deadline", "unavailable"]
"""No answer in time; or no answer that could be used. Both are values of a recommendation's
`fallback`.
"""


class Wanted(msgspec.Struct, frozen=True, gc=False):
    """One user's share of a request: `k` candidates, none of them in `exclude` (item hashes).
    `user_id` only says which server the balancing by user takes; `with_vector`, whether the user's
    own vector is wanted too.

    Raises ValueError for a k that the model does not give.
    """

    state: UserState
    k: int
    exclude: Collection[int] = ()
    user_id: str = ""
    with_vector: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.k <= MAX_K:
            raise ValueError(f"k is {self.k}; the model gives 1 to {MAX_K} items")


class Candidate(NamedTuple):
    """An item by its hash. `because` is the item of the history that weighed most, if one did."""

    item: int
    score: float
    source: str
    because: int | None = None


class Scored(NamedTuple):
    """A user's candidates, best first; or the reason why there are none. `vector`, (dim,), is where
    the user lies among the items' texts, if that was wanted.
    """

    candidates: list[Candidate]
    failure: Failure | None = None
    vector: NDArray[np.float32] | None = None
