"""Packed entries: the one rule by which a history and every map of a state keep theirs.

Entries are of one size and begin with u48 time and u64 id (schemas.state has the layout), so as
bytes they compare by time, then id, then content. Kept is of each id the largest entry, and of
those the `limit` largest, ascending. Both steps take maxima, so neither the order nor the
repetition of entries shows in what is left, nor does it matter when the small ones were dropped:
what was beyond the limit once has `limit` larger ids above it, and these only grow.

Called by `fold` (one entry at a time, the hot path) and `join` (all at once). Never reads a clock.
"""

from bisect import bisect, bisect_left

from schemas.state import ID, TIME_BYTES


def insert(entries: bytes, entry: bytes, limit: int) -> bytes:
    """`entries` and one more; the same object if that changes nothing."""
    width = len(entry)
    found = entries.rfind(entry[ID])  # twice as fast as from the front, and repeats are recent
    if found >= 0 and (copy := _place_of(entry[ID], entries, width, found)) >= 0:
        if entry <= entries[copy : copy + width]:
            return entries
        entries = entries[:copy] + entries[copy + width :]
    if entries[-width:] < entry:  # usual: newer than all others
        return (entries + entry)[-limit * width :]
    larger = bisect_left(
        range(len(entries) // width),
        entry,
        key=lambda place: entries[place * width : (place + 1) * width],
    )
    if larger == 0 and len(entries) == limit * width:
        return entries
    at = larger * width
    return (entries[:at] + entry + entries[at:])[-limit * width :]


def merge(one: bytes, other: bytes, width: int, limit: int) -> bytes:
    """What is kept of two sets of entries, even where these are not in the normal form."""
    largest: dict[bytes, bytes] = {}
    for entries in (one, other):
        for at in range(0, len(entries), width):
            entry = entries[at : at + width]
            if entry > largest.get(entry[ID], b""):
                largest[entry[ID]] = entry
    return b"".join(sorted(largest.values())[-limit:])


def newer_than(erased_to_ms: int, entries: bytes, width: int) -> bytes:
    """What an erasure up to `erased_to_ms` leaves of sorted entries."""
    kept = bisect(
        range(len(entries) // width),
        erased_to_ms.to_bytes(TIME_BYTES, "big"),
        key=lambda place: entries[place * width : place * width + TIME_BYTES],
    )
    return entries[kept * width :]


def _place_of(entry_id: bytes, entries: bytes, width: int, found: int) -> int:
    """Where the entry with this id begins, or -1; `found` is where its bytes are last."""
    while found >= 0 and found % width != TIME_BYTES:  # the same bytes, but not as an id
        found = entries.rfind(entry_id, 0, found + len(entry_id) - 1)
    return found - TIME_BYTES if found >= 0 else -1
