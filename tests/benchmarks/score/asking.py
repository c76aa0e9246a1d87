"""Users who each have a past and ask once a run: more than a data set of this size has.

User n looks at what the data set's person n modulo their number liked last. Views: they enter the
history, ask for nothing, and nothing of them is excluded from a slate. Pure.
"""

import itertools
from collections.abc import Iterator, Sequence

from schemas.events import AnyEvent, Request, View

_NOW_MS = 1_700_000_000_000


def user_id(user: int) -> str:
    return f"asking-{user:07d}"


def views(users: int, pasts: Sequence[Sequence[str]]) -> Iterator[AnyEvent]:
    """`pasts`: item ids of each person, oldest first."""
    return itertools.chain.from_iterable(map(past_of, range(users), itertools.cycle(pasts)))


def past_of(user: int, items: Sequence[str]) -> Iterator[AnyEvent]:
    for number, item_id in enumerate(items):
        yield View(
            event_id=f"view-{user}-{number}",
            user_id=user_id(user),
            at_ms=_NOW_MS + number,
            item_id=item_id,
        )


def asks(users: int, run: int) -> Iterator[AnyEvent]:
    for user in range(users):
        yield Request(event_id=f"ask-{run}-{user}", user_id=user_id(user), at_ms=_NOW_MS)
