"""An interaction log in memory: who did something with which item, and when.

Every loader gives one of these and everything else (training, evaluation, replay) reads it. It is
never changed; selections share its id tables, so an index means the same in all of them.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from schemas.identifiers import item_hash
from schemas.state import KIND_CODES

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]

POSITIVE_KINDS = ("view", "click", "cart", "purchase", "rating")
"""The kinds that say a person turned to an item. hide, unhide and uncart do not."""
_POSITIVE_CODES = np.array([KIND_CODES[kind] for kind in POSITIVE_KINDS], np.uint8)


@dataclass(frozen=True)
class Interactions:
    """Rows ascending by (time_ms, place in the source). `users` and `items` are the id tables."""

    name: str
    users: tuple[str, ...]
    items: tuple[str, ...]
    user: NDArray[np.int32]  # (rows,) place in `users`
    item: NDArray[np.int32]  # (rows,) place in `items`
    time_ms: Ints  # (rows,) since 1970; where not `timed`, the place in the user's sequence
    value: Floats  # (rows,) a rating or a quantity as the source has it; NaN for none
    kind: NDArray[np.uint8]  # (rows,) code of schemas.state.KIND_CODES
    line: Ints  # (rows,) where the row stands in the source, from 1
    timed: bool = True
    scale: float = 5.0
    """What a rating is out of."""
    titles: tuple[str | None, ...] = ()
    """One an item, or empty where the source has none."""
    categories: tuple[tuple[str, ...], ...] = ()
    """One an item, or empty where the source has none."""
    repeats_dropped: int = 0
    """Rows of the source that said again what an earlier row had said."""

    def __len__(self) -> int:
        return len(self.user)

    def select(self, rows: Mask | Ints) -> "Interactions":
        """These rows alone, with the same id tables. Indices must ascend."""
        return replace(
            self,
            user=self.user[rows],
            item=self.item[rows],
            time_ms=self.time_ms[rows],
            value=self.value[rows],
            kind=self.kind[rows],
            line=self.line[rows],
        )

    def until(self, until_ms: int) -> "Interactions":
        """What had happened before this time."""
        return self.select(self.time_ms < until_ms)

    def positive(self) -> "Interactions":
        """Without what says that a person turned away from an item."""
        return self.select(np.isin(self.kind, _POSITIVE_CODES))

    @cached_property
    def item_hashes(self) -> NDArray[np.uint64]:
        """(items,) each item as tensors know it."""
        return np.fromiter((item_hash(item) for item in self.items), np.uint64, len(self.items))

    @cached_property
    def by_user(self) -> tuple[Ints, Ints]:
        """Rows ordered by (user, time) (rows,), and where each user's begin (users + 1,)."""
        order = np.argsort(self.user, kind="stable")
        starts = np.searchsorted(self.user[order], np.arange(len(self.users) + 1))
        return order, starts

    def title(self, item: int) -> str | None:
        return self.titles[item] if self.titles else None

    def categories_of(self, item: int) -> Sequence[str]:
        return self.categories[item] if self.categories else ()

    def fingerprint(self) -> str:
        """32 hex digits that change when any interaction does; not its source line or title."""
        digest = hashlib.sha256()
        for table in (self.users, self.items):
            for identifier in table:
                digest.update(identifier.encode() + b"\0")
        for column in (self.user, self.item, self.time_ms, self.value, self.kind):
            digest.update(np.ascontiguousarray(column).tobytes())
        return digest.hexdigest()[:32]
