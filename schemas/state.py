"""What is remembered of a user, in the binary form that is hashed, flushed, joined and scored.

One layout for memory, store, changelog, joins and backups. All numbers are big-endian, so the
byte order of entries is their order in time. Only this module knows the layout; how states
change is `streams.state`'s business.

    head       u8 format, u8 bounds version, u48 erased_to_ms, u48 newest_appended_ms,
               u16 history entries, then u16 entries of each map in the order of MAPS
    history    25 bytes each: u48 time_ms, u64 event hash, u8 kind, u16 value, u64 item hash
    maps       15 bytes each: u48 time_ms, u64 key hash, u8 flag

The normal form: history ascending by (time, event hash), one entry an event; each map ascending
by (time, key), one entry a key; nothing at or before `erased_to_ms`; nothing beyond the bounds.
"""

import struct
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import msgspec

FORMAT = 1
"""The layout above, by which states are hashed. FORMATS below says what else this release reads."""
BOUNDS_VERSION = 1
"""The bounds below. States of different bounds do not compare."""
HISTORY_LIMIT = 50
MAPS = ("bought", "seen", "hidden", "cart", "followed")
MAP_LIMITS = (200, 500, 200, 100, 500)
"""Entries kept of each map, the newest: what a shop can use, within 25 KB a user at the most."""

HISTORY_KINDS = ("view", "click", "cart", "uncart", "hide", "unhide", "purchase", "rating")
"""The kinds that enter the history; a kind's code is its place here, from 1."""
KIND_CODES = {kind: code for code, kind in enumerate(HISTORY_KINDS, start=1)}

_HEAD = struct.Struct(">BB6s6s6H")
_INTERACTION = struct.Struct(">6sQBHQ")
_MARK = struct.Struct(">6sQB")
_HEAD_NUMBERS = struct.Struct(">BBHIHI6H")
_INTERACTION_NUMBERS = struct.Struct(">HIQBHQ")
_MARK_NUMBERS = struct.Struct(">HIQB")
"""The same layouts, for writing: u48 in two parts."""
INTERACTION_BYTES = _INTERACTION.size
MARK_BYTES = _MARK.size
TIME_BYTES = 6
_LOW = 0xFFFF_FFFF
ID = slice(TIME_BYTES, TIME_BYTES + 8)
"""Entries of both kinds begin with their time, then what they are found by: event or key."""


def pack_interaction(time_ms: int, event: int, kind: int, value: int, item: int) -> bytes:
    return _INTERACTION_NUMBERS.pack(time_ms >> 32, time_ms & _LOW, event, kind, value, item)


def pack_mark(time_ms: int, key: int, flag: int) -> bytes:
    return _MARK_NUMBERS.pack(time_ms >> 32, time_ms & _LOW, key, flag)


class Interaction(NamedTuple):
    """One entry of the history. `value`: a rating as value / scale in 1/65535, a purchase's
    quantity, else 0.
    """

    time_ms: int
    event: int
    kind: int
    value: int
    item: int

    def pack(self) -> bytes:
        return pack_interaction(*self)


class Mark(NamedTuple):
    """One entry of a map: the latest (time, flag) of a key, e.g. in the cart (1) or out (0)."""

    time_ms: int
    key: int
    flag: int

    def pack(self) -> bytes:
        return pack_mark(*self)


Maps = tuple[bytes, bytes, bytes, bytes, bytes]
"""The packed marks of each of MAPS."""


class UserState(msgspec.Struct, frozen=True, gc=False):
    """A user's state in the normal form. `history` and `maps` hold packed entries."""

    erased_to_ms: int = 0
    newest_appended_ms: int = 0
    history: bytes = b""
    maps: Maps = (b"", b"", b"", b"", b"")

    def interactions(self) -> Iterator[Interaction]:
        """Oldest first."""
        for time, event, kind, value, item in _INTERACTION.iter_unpack(self.history):
            yield Interaction(int.from_bytes(time, "big"), event, kind, value, item)

    def marks(self, name: str) -> Iterator[Mark]:
        """The entries of one of MAPS, oldest first."""
        for time, key, flag in _MARK.iter_unpack(self.maps[MAPS.index(name)]):
            yield Mark(int.from_bytes(time, "big"), key, flag)

    def flagged(self, name: str) -> set[int]:
        """The keys whose latest flag in one of MAPS is set."""
        return {key for _, key, flag in _MARK.iter_unpack(self.maps[MAPS.index(name)]) if flag}

    def encode(self, layout: int = FORMAT) -> bytes:
        """Raises KeyError for a format that this release does not write."""
        return FORMATS[layout].encode(self)

    @classmethod
    def decode(cls, data: bytes) -> "UserState":
        """Raises UnknownFormatError for a format that this release does not read, ValueError for
        a length that does not fit.
        """
        layout = data[0] if data else 0
        if layout not in FORMATS:
            raise UnknownFormatError(
                f"user state format {layout} is not known; this release reads {sorted(FORMATS)}"
            )
        return FORMATS[layout].decode(data)


class UnknownFormatError(ValueError):
    """Written by a release that this one knows nothing of: a newer one, or one long gone."""


class Format(NamedTuple):
    """One layout. `decode` raises ValueError, UnknownFormatError for bounds it does not know."""

    encode: Callable[[UserState], bytes]
    decode: Callable[[bytes], UserState]


def _encode_1(state: UserState) -> bytes:
    erased_ms, newest_ms = state.erased_to_ms, state.newest_appended_ms
    maps = state.maps
    has_none = maps is EMPTY.maps
    head = _HEAD_NUMBERS.pack(
        1,
        BOUNDS_VERSION,
        erased_ms >> 32,
        erased_ms & _LOW,
        newest_ms >> 32,
        newest_ms & _LOW,
        len(state.history) // INTERACTION_BYTES,
        *(_NO_MARKS if has_none else [len(marks) // MARK_BYTES for marks in maps]),
    )
    return head + state.history if has_none else b"".join((head, state.history, *maps))


def _decode_1(data: bytes) -> UserState:
    if len(data) < _HEAD.size:
        raise ValueError(f"a user state of {len(data)} bytes has no head")
    _, bounds, erased, newest, *counts = _HEAD.unpack_from(data)
    if bounds != BOUNDS_VERSION:
        raise UnknownFormatError(
            f"user state bounds {bounds} are not known; this release reads {BOUNDS_VERSION}"
        )
    sizes = [counts[0] * INTERACTION_BYTES, *(count * MARK_BYTES for count in counts[1:])]
    if len(data) != _HEAD.size + sum(sizes):
        raise ValueError(f"a user state of {len(data)} bytes does not hold {counts} entries")
    parts, start = [], _HEAD.size
    for size in sizes:
        parts.append(data[start : start + size])
        start += size
    bought, seen, hidden, cart, followed = parts[1:]
    maps = (bought, seen, hidden, cart, followed) if any(counts[1:]) else EMPTY.maps
    return UserState(int.from_bytes(erased, "big"), int.from_bytes(newest, "big"), parts[0], maps)


FORMATS: Mapping[int, Format] = {FORMAT: Format(_encode_1, _decode_1)}
"""What this release reads: the format before its own and its own. It writes the older one until
the setting `state_format`, raised when every region runs it, says otherwise.
"""
EMPTY = UserState()
_NO_MARKS = (0,) * len(MAPS)

POSITION_KEY = b"P"
MARKER_KEY = b"M"
USER_KEY_PREFIX = b"U"
"""Type bytes of the changelog's keys; a user's key is the prefix and the user_id."""


class Position(msgspec.Struct, frozen=True, kw_only=True):
    """The changelog's position record: input up to here is folded and answered.

    `offsets` maps the topic id of each input (Kafka's UUID, so a topic that was deleted and made
    again starts anew) to the next offset to read.
    """

    format: int = 1
    offsets: dict[str, int]


class Marker(msgspec.Struct, frozen=True, kw_only=True):
    """The changelog's marker: every effect of the input before `offsets` is in the states before
    this record. `fold` is the version of the fold that made them, `changelog` Kafka's id of the
    topic that holds them: a marker that got into a changelog made again says nothing about it.
    """

    format: int = 1
    bounds: int = BOUNDS_VERSION
    fold: int
    changelog: str
    offsets: dict[str, int]
