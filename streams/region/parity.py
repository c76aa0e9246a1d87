"""Which users two regions hold alike, from the lists of digests that both publish.

Under traffic no two regions have folded the same records at the same time, so users are compared
one by one, and only where it is certain that both regions have folded the same of them. Pure;
called by the commands of `infra` and by tests, never on the way of an event.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from schemas.control import StateDigest
from schemas.identifiers import user_hash

DIVERGED = 2
"""Comparisons in a row in which a user must differ: once may be a record of the same millisecond
that one region has folded and the other has not.
"""


def slice_of(user_id: str, slices: int) -> int:
    """The slice of the users that a user belongs to, the same in every region."""
    return user_hash(user_id) % slices


def slice_at(now_s: float, slices: int, period_s: float) -> int:
    """The slice whose turn it is. It follows the clock, so regions list the same users."""
    return int(now_s // period_s) % slices


class Compared(NamedTuple):
    """Users of two lists: alike, not alike, and those about whom it is too early to say."""

    equal: frozenset[str]
    differing: frozenset[str]
    later: frozenset[str]


def compare(one: StateDigest, other: StateDigest) -> Compared:
    """Raises ValueError for lists that are not of the same users.

    A user can be compared where, for every origin, both regions have folded past his newest
    record, or both have folded up to the same time. Whom then one lists and the other lacks,
    differs.
    """
    if (one.partition, one.slice) != (other.partition, other.slice):
        raise ValueError(
            f"partition {one.partition} slice {one.slice} is not to be compared with"
            f" partition {other.partition} slice {other.slice}"
        )
    mine = {user.user: user for user in one.users}
    theirs = {user.user: user for user in other.users}
    before_ms = _both_folded_before(one.folded_to, other.folded_to)
    equal, differing, later = set(), set(), set()
    for user_id in {*mine, *theirs}:
        both = [user for user in (mine.get(user_id), theirs.get(user_id)) if user is not None]
        if any(user.newest_ms >= before_ms for user in both):
            later.add(user_id)
        elif len(both) == 2 and both[0] == both[1]:
            equal.add(user_id)
        else:
            differing.add(user_id)
    return Compared(frozenset(equal), frozenset(differing), frozenset(later))


def _both_folded_before(one: Mapping[str, int], other: Mapping[str, int]) -> float:
    """The time before which both regions have folded the same records of every origin."""
    parted = [
        min(one.get(origin, 0), other.get(origin, 0))
        for origin in {*one, *other}
        if one.get(origin) != other.get(origin)
    ]
    return min(parted, default=float("inf"))


class Parity:
    """What the lists of two regions have said so far. Called by one thread."""

    def __init__(self, one: str, other: str) -> None:
        self._regions = one, other
        self._unpaired: dict[tuple[int, int], dict[str, StateDigest]] = {}
        self._differed: Counter[str] = Counter()
        """How often in a row a user differed."""
        self._equal: set[str] = set()
        self.pairs = 0
        """Lists compared."""

    def add(self, lists: Iterable[StateDigest]) -> None:
        """In the order in which they were published; those of other regions are left out."""
        for made in lists:
            if made.region not in self._regions:
                continue
            pair = self._unpaired.setdefault((made.partition, made.slice), {})
            pair[made.region] = made
            if len(pair) == len(self._regions):
                one, other = pair.values()
                self._take(compare(one, other))
                pair.clear()

    def _take(self, found: Compared) -> None:
        self.pairs += 1
        for user_id in found.equal:
            self._differed.pop(user_id, None)
        self._differed.update(found.differing)
        self._equal = (self._equal | found.equal) - found.differing

    @property
    def equal(self) -> int:
        """Users that were alike when they were last compared."""
        return len(self._equal)

    @property
    def differing(self) -> frozenset[str]:
        """Users that were not alike when they were last compared."""
        return frozenset(self._differed)

    @property
    def diverged(self) -> frozenset[str]:
        """Users whose states are not the same and will not become so: a join mends them."""
        return frozenset(user for user, times in self._differed.items() if times >= DIVERGED)
