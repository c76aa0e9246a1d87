"""Interactions out of what an archive stored: events in any order, read in shards of users.

What a user did up to his newest erasure is not among them, whatever was asked for. The order is
that of a user's state, (time, event id hash), so the same events give the same log, however many
shards they were read in. Pure; called by whoever reads an archive.
"""

from collections.abc import Iterable, Mapping
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple

from inference.data.interactions import Interactions
from inference.data.rows import Rows

SCALE = 5.0
"""What ratings are brought to: each came with a scale of its own."""


class Event(NamedTuple):
    """`value`: a rating out of SCALE, a purchase's quantity, None for none."""

    time_ms: int
    event_hash: int
    user: str
    kind: str
    item: str
    value: float | None


_ORDER = itemgetter(0, 1, 2)
"""An event has one id among its user's, so what is behind these never decides."""


def not_erased(events: Iterable[Event], erased_to_ms: Mapping[str, int]) -> list[Event]:
    """What each user did after his newest erasure, by (time, event id hash)."""
    return sorted(
        (event for event in events if event.time_ms > erased_to_ms.get(event.user, -1)), key=_ORDER
    )


def log_of(
    shards: Iterable[Iterable[Event]],
    place: Path,
    titles: Mapping[str, str],
    categories: Mapping[str, tuple[str, ...]],
) -> Interactions:
    """Shards have no user in common; `place` says in errors where they are from. Raises DataError
    if too little is left to learn from.
    """
    rows = Rows(place.name, place)
    events = sorted((event for shard in shards for event in shard), key=_ORDER)
    for number, event in enumerate(events, start=1):
        rows.add(number, event.user, event.item, event.time_ms, event.value, event.kind)
    return rows.finish(dict(titles), dict(categories))
