"""Which users are written to the changelog with which batch: a cycle, a slice at a time.

A cycle takes everybody who is dirty and writes them, some with each batch, over `cycle_s`. Its end
is the marker: every effect of the input before the cycle began is in the changelog then. A user
who changes meanwhile is written with what he has by then, or again in the next cycle. Called by
the recommend stage; never writes anything itself.
"""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from streams.state.store import Change
from streams.state.users import Users

Offsets = Mapping[str, int]
"""Topic -> the next offset to read, of one partition."""

_AT_LEAST = 64
"""Users of a slice that rides with a batch."""
_ALONE = 500
"""Fewer are not worth a transaction of their own."""
_AT_MOST = 2_000
"""So that a transaction stays within some megabytes."""


class Slice(NamedTuple):
    """What of the states rides in a transaction. `marker` ends a cycle."""

    changes: Sequence[Change] = ()
    marker: Offsets | None = None


NOTHING = Slice()


class FlushCycle:
    """Of one partition. Times are in seconds of one monotonic clock."""

    def __init__(self, cycle_s: float, now_s: float, marked: Offsets) -> None:
        """`marked`: where the last marker is, or what counts as that before the first."""
        self._cycle_s = cycle_s
        self._ended_s = now_s
        self._marked = marked
        self._left: dict[str, None] = {}
        self._size = 0
        self._began_s = now_s
        self._will_mark: Offsets | None = None

    def is_due(self, users: Users, behind: Offsets, now_s: float) -> bool:
        """Whether a slice should go although there are no records to go with."""
        if self._will_mark is None:
            return self._may_begin(users, behind, now_s)
        return self._overdue(now_s) >= _ALONE or now_s >= self._began_s + self._cycle_s

    def take(self, users: Users, behind: Offsets, now_s: float, *, whole: bool = False) -> Slice:
        """The slice that goes with a batch. `behind` is the position behind this batch, whose
        effects `users` hold already; `whole`: the partition is given up, do not spread it.
        """
        if self._will_mark is None:
            if not (whole or self._may_begin(users, behind, now_s)):
                return NOTHING
            self._left = users.take_dirty()
            self._size = len(self._left)
            self._began_s = now_s
            self._will_mark = dict(behind)
        count = _AT_MOST if whole else min(_AT_MOST, max(_AT_LEAST, self._overdue(now_s)))
        changes: list[Change] = []
        while self._left and len(changes) < count:
            user_id, _ = self._left.popitem()
            changes.append(users.flushed(user_id))
        if self._left:
            return Slice(changes)
        marker, self._will_mark = self._will_mark, None
        self._marked, self._ended_s = marker, now_s
        return Slice(changes, marker)

    def is_clean(self, users: Users, behind: Offsets) -> bool:
        """Whether the last marker says everything up to `behind`."""
        return users.is_clean and self._will_mark is None and behind == self._marked

    def holds(self, user_id: str) -> bool:
        """Whether a user's turn in this cycle is yet to come."""
        return user_id in self._left

    def _may_begin(self, users: Users, behind: Offsets, now_s: float) -> bool:
        moved = not users.is_clean or behind != self._marked
        return moved and now_s - self._ended_s >= self._cycle_s

    def _overdue(self, now_s: float) -> int:
        """How many users should have gone by now and have not."""
        share = min(1.0, (now_s - self._began_s) / self._cycle_s)
        return math.ceil(self._size * share) - (self._size - len(self._left))
