"""What one event changes in its user's state.

`fold` is pure: it reads the event, the broker's append time and the state, never a clock or a
setting, and `fold(state, event)` is `join(state, fold(EMPTY, event))` to the byte. So every
region, whatever order its copies of the logs interleave in and however often a record repeats,
comes to the same bytes. Called by the stages for every user event, and by the replay at opening.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec
import xxhash

from schemas.events import (
    KINDS,
    AnyEvent,
    Kind,
    Purchase,
    Rating,
)
from schemas.identifiers import event_hash, item_hash, user_hash
from schemas.state import (
    BOUNDS_VERSION,
    FORMAT,
    HISTORY_LIMIT,
    INTERACTION_BYTES,
    KIND_CODES,
    MAP_LIMITS,
    MAPS,
    MARK_BYTES,
    Maps,
    UserState,
    pack_interaction,
    pack_mark,
)
from streams.state.entries import insert, newer_than

FOLD_VERSION = 1
"""Raised whenever the same events would give other bytes than before."""
FOLD_DIGEST = xxhash.xxh3_64_hexdigest(
    msgspec.json.encode((FORMAT, BOUNDS_VERSION, HISTORY_LIMIT, MAPS, MAP_LIMITS, FOLD_VERSION))
)
"""16 hex digits: states whose folds differ here are not to be compared."""

FAST_CLOCK_MS = 5 * 60_000
"""How far an event may be ahead of its append time; a fast clock cannot own the future."""
_MAX_VALUE = 65_535


class _Rule(NamedTuple):
    """What a kind does with its key: its code in the history (0: it does not enter it), its
    value there (None: 0), and the flags it sets in the maps.
    """

    code: int
    value: Callable[[Any], int] | None
    marks: tuple[tuple[int, int], ...]
    """(place in MAPS, flag)."""
    is_of_user: bool
    """Whether its key is a user, not an item."""


def _share_of_scale(event: Rating) -> int:
    """As schemas.state.Interaction says, cut to what 16 bits hold."""
    return round(min(1.0, event.value / event.scale) * _MAX_VALUE)


def _quantity(event: Purchase) -> int:
    return min(event.quantity, _MAX_VALUE)


_VALUES: dict[Kind, Callable[[Any], int]] = {"rating": _share_of_scale, "purchase": _quantity}
_MARKS: dict[Kind, dict[str, int]] = {
    "impression": {"seen": 1},
    "cart": {"cart": 1},
    "uncart": {"cart": 0},
    "purchase": {"bought": 1, "cart": 0},
    "hide": {"hidden": 1},
    "unhide": {"hidden": 0},
    "follow": {"followed": 1},
    "unfollow": {"followed": 0},
}
"""The kinds that enter maps, with the flag they set."""


def _rule(kind: Kind) -> _Rule:
    marks = tuple((MAPS.index(name), flag) for name, flag in _MARKS.get(kind, {}).items())
    is_of_user = kind in {"follow", "unfollow"}
    return _Rule(KIND_CODES.get(kind, 0), _VALUES.get(kind), marks, is_of_user)


_RULES = {kind: _rule(kind) for kind in KINDS if kind in KIND_CODES or kind in _MARKS}


def fold(state: UserState, event: AnyEvent, appended_at_ms: int) -> UserState:
    """The state after `event`, in the normal form; the same object if the event changes nothing.

    The times must have passed `schemas.codec.EventDecoder`. search, chat and request leave no
    trace, not even in `newest_appended_ms`: who only asks has no state to keep or to compare.
    """
    rule = _RULES.get(event.kind)
    if rule is None:
        return _erased(state, appended_at_ms) if event.kind == "erase" else state
    code, value_of, marks, is_of_user = rule
    time_ms = min(event.at_ms, appended_at_ms + FAST_CLOCK_MS)
    erased_to_ms = state.erased_to_ms
    before, maps_before = history, maps = state.history, state.maps
    if time_ms > erased_to_ms:
        about: Any = event  # its kind says whose id it has
        key = user_hash(about.followed_user_id) if is_of_user else item_hash(about.item_id)
        if code:
            value = 0 if value_of is None else value_of(event)
            entry = pack_interaction(time_ms, event_hash(event.event_id), code, value, key)
            history = insert(before, entry, HISTORY_LIMIT)
        for place, flag in marks:
            maps = _marked(maps, place, pack_mark(time_ms, key, flag))
    newest_ms = state.newest_appended_ms
    if appended_at_ms > newest_ms:
        newest_ms = appended_at_ms
    elif history is before and maps is maps_before:
        return state
    return UserState(erased_to_ms, newest_ms, history, maps)


def _marked(maps: Maps, place: int, mark: bytes) -> Maps:
    entries = insert(maps[place], mark, MAP_LIMITS[place])
    if entries is maps[place]:
        return maps
    changed = list(maps)
    changed[place] = entries
    bought, seen, hidden, cart, followed = changed
    return bought, seen, hidden, cart, followed


def _erased(state: UserState, appended_at_ms: int) -> UserState:
    erased_to_ms = max(state.erased_to_ms, appended_at_ms)
    newest_ms = max(state.newest_appended_ms, appended_at_ms)
    if (erased_to_ms, newest_ms) == (state.erased_to_ms, state.newest_appended_ms):
        return state
    history = newer_than(erased_to_ms, state.history, INTERACTION_BYTES)
    bought, seen, hidden, cart, followed = (
        newer_than(erased_to_ms, entries, MARK_BYTES) for entries in state.maps
    )
    return UserState(erased_to_ms, newest_ms, history, (bought, seen, hidden, cart, followed))
