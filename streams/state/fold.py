"""What one event changes in its user's state.

`fold` is pure: it reads the event, the broker's append time and the state, never a clock or a
setting, and `fold(state, event)` is `join(state, fold(EMPTY, event))` to the byte. So every
region, whatever order its copies of the logs interleave in and however often a record repeats,
comes to the same bytes. Called by the stages for every user event, and by the replay at opening.
"""

from typing import NamedTuple

import msgspec
import xxhash

from schemas.events import (
    AnyEvent,
    Erase,
    Event,
    Follow,
    ItemEvent,
    Kind,
    Purchase,
    Rating,
    Unfollow,
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


class _Sets(NamedTuple):
    """A flag that a kind sets for its key in one of the maps."""

    place: int
    flag: int


_SEEN, _HIDDEN, _IN_CART, _FOLLOWED = (
    tuple(_Sets(MAPS.index(name), flag) for flag in (0, 1))
    for name in ("seen", "hidden", "cart", "followed")
)
_BOUGHT = _Sets(MAPS.index("bought"), 1)
_MARKS: dict[Kind, tuple[_Sets, ...]] = {
    "impression": (_SEEN[1],),
    "cart": (_IN_CART[1],),
    "uncart": (_IN_CART[0],),
    "purchase": (_BOUGHT, _IN_CART[0]),
    "hide": (_HIDDEN[1],),
    "unhide": (_HIDDEN[0],),
    "follow": (_FOLLOWED[1],),
    "unfollow": (_FOLLOWED[0],),
}
"""The kinds that enter maps."""


def fold(state: UserState, event: AnyEvent, appended_at_ms: int) -> UserState:
    """The state after `event`, in the normal form; the same object if the event changes nothing.

    The times must have passed `schemas.codec.EventDecoder`. search, chat and request leave no
    trace, not even in `newest_appended_ms`: who only asks has no state to keep or to compare.
    """
    if isinstance(event, ItemEvent):
        key = item_hash(event.item_id)
    elif isinstance(event, Follow | Unfollow):
        key = user_hash(event.followed_user_id)
    elif isinstance(event, Erase):
        return _erased(state, appended_at_ms)
    else:
        return state
    time_ms = min(event.at_ms, appended_at_ms + FAST_CLOCK_MS)
    history, maps = state.history, state.maps
    if time_ms > state.erased_to_ms:
        kind = event.kind
        if code := KIND_CODES.get(kind):
            entry = pack_interaction(time_ms, event_hash(event.event_id), code, _value(event), key)
            history = insert(history, entry, HISTORY_LIMIT)
        for place, flag in _MARKS.get(kind, ()):
            maps = _marked(maps, place, pack_mark(time_ms, key, flag))
    newest_ms = max(state.newest_appended_ms, appended_at_ms)
    if history is state.history and maps is state.maps and newest_ms == state.newest_appended_ms:
        return state
    return UserState(state.erased_to_ms, newest_ms, history, maps)


def _value(event: Event) -> int:
    """As schemas.state.Interaction says, cut to what 16 bits hold."""
    if isinstance(event, Rating):
        return round(min(1.0, event.value / event.scale) * _MAX_VALUE)
    if isinstance(event, Purchase):
        return min(event.quantity, _MAX_VALUE)
    return 0


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
