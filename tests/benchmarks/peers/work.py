"""The work that a Python peer does for each event: the history folded, a slate written.

The same as Tidemill's fold does for a click (streams/state/fold.py): the latest 50 interactions of
25 bytes in the order of (time, event), an event that is known already changes nothing. A click
enters none of the bounded maps. The slate has the bytes of a real recommendation; its place holders
are filled instead of encoding it anew, and its recommendation id is constant, which favours peers.
"""

import struct
from bisect import bisect
from pathlib import Path
from typing import Any

import xxhash

SLATE = "slate.json"
USER, EVENT = b"{user}", b"{event}"
"""Stand in the slate's file where the ids go."""

_LIMIT = 50
_ENTRY = struct.Struct(">6sQBHQ")
_WIDTH = _ENTRY.size
_CLICK = 2
_ID = slice(6, 14)


def folded(history: bytes, event: dict[str, Any]) -> bytes:
    """The history with the event; the same object if that changes nothing."""
    entry = _ENTRY.pack(
        event["at_ms"].to_bytes(6, "big"),
        xxhash.xxh3_64_intdigest(event["event_id"].encode()),
        _CLICK,
        0,
        xxhash.xxh3_64_intdigest(event["item_id"].encode()),
    )
    found = history.rfind(entry[_ID])
    while found >= 0:
        if found % _WIDTH == _ID.start:
            return history
        found = history.rfind(entry[_ID], 0, found + 7)
    if history[-_WIDTH:] < entry:
        return (history + entry)[-_LIMIT * _WIDTH :]
    entries = [history[at : at + _WIDTH] for at in range(0, len(history), _WIDTH)]
    entries.insert(bisect(entries, entry), entry)
    return b"".join(entries[-_LIMIT:])


class Slate:
    """Fills in the slate that all engines of a run write."""

    def __init__(self, folder: Path) -> None:
        head, rest = (folder / SLATE).read_bytes().split(USER)
        middle, tail = rest.split(EVENT)
        self._head, self._middle, self._tail = head, middle, tail

    def of(self, user_id: str, event_id: str) -> bytes:
        user, event = user_id.encode(), event_id.encode()
        return b"".join((self._head, user, self._middle, event, self._tail))
