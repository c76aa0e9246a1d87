"""What a user must not be shown. Pure.

`excluded` goes to Triton with the request, so that its k are not spent on them, and is applied
once more here: the fallback and a later state must hold to it too.
"""

from collections.abc import Iterable, Iterator
from typing import Protocol

from schemas.state import KIND_CODES, UserState
from streams.catalogue.items import Item
from streams.scoring.candidates import Candidate
from streams.scoring.columns import interactions

_POSITIVE = frozenset(KIND_CODES[kind] for kind in ("click", "cart", "purchase", "rating"))
"""Whoever did one of these knows the item. A mere view is no reason to hide it."""
_TAKEN_BACK = KIND_CODES["uncart"]


class Items(Protocol):
    """What the slate asks of the catalogue."""

    def item(self, code: int) -> Item | None: ...


def excluded(state: UserState) -> set[int]:
    """Hashes of what the user hid, bought, has in the cart, or took to lately (within the kept
    history); an item taken out of the cart again may come back.
    """
    known: set[int] = set()
    history = interactions(state.history)
    for kind, item in zip(history["kind"].tolist(), history["item"].tolist(), strict=True):
        if kind in _POSITIVE:
            known.add(item)
        elif kind == _TAKEN_BACK:
            known.discard(item)
    return known.union(*(state.flagged(name) for name in ("hidden", "bought", "cart")))


def allowed(
    candidates: Iterable[Candidate], exclude: set[int], items: Items
) -> Iterator[tuple[Candidate, Item]]:
    """Those that may be shown, each once, with what the catalogue knows of them."""
    given = set(exclude)
    for candidate in candidates:
        item = items.item(candidate.item)
        if candidate.item in given or item is None or not item.available:
            continue
        given.add(candidate.item)
        yield candidate, item
