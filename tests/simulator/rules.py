"""The functions that decide, gathered so that a control can put a wrong one in one's place."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from streams.region.merge import Merge
from streams.region.promotion import Fences
from streams.stages import due


@dataclass(frozen=True)
class Rules:
    """The real ones."""

    changed: Callable[..., set[str]] = due.changed
    asks_start: Callable[..., int | None] = due.asks_start
    note: Callable[..., None] = due.note
    found: Callable[..., due.Found] = due.found
    fences: Callable[[Any], Fences] = Fences
    merge: Callable[[], Merge] = Merge


REAL = Rules()
