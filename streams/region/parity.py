"""Which users two regions hold alike, and whether they make the same slates, from the lists that
both publish on state-digests.

Under traffic no two regions have folded the same records at the same time, so users are compared
one by one, and only where it is certain that both regions have folded the same of them. Pure;
called by the commands of `infra` and by tests, never on the way of an event.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from schemas.control import SampledSlate, StateDigest
from schemas.identifiers import user_hash
from schemas.recommendations import Recommendation

DIVERGED = 2
"""Comparisons in a row in which a user must differ: once may be a record of the same millisecond
that one region has folded and the other has not.
"""

_HALF_BITS = 32
"""A user's slice follows the lower bits of his hash, so the upper half tells who is sampled: some
of every slice.
"""
_DIFFERING_KEPT = 100_000
"""Of a region that was wiped all differ, and 10 MB of names say so well enough."""
TIE = 1e-3
"""Scores that differ by no more are a tie: a release computes in floats, in any order."""


def slice_of(user_id: str, slices: int) -> int:
    """The slice of the users that a user belongs to, the same in every region."""
    return user_hash(user_id) % slices


def slice_at(now_s: float, slices: int, period_s: float) -> int:
    """The slice whose turn it is. It follows the clock, so regions list the same users."""
    return int(now_s // period_s) % slices


def is_sampled(user_id: str, share: float) -> bool:
    """Whether a standby scores this user's asks, where `share` (0 to 1) of all users are scored."""
    return user_hash(user_id) >> _HALF_BITS < sampled_below(share)


def sampled_below(share: float) -> float:
    """Whose hash has an upper half below this is in the sample."""
    return share * (1 << _HALF_BITS)


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
    before_ms = both_folded_before(one.folded_to, other.folded_to)
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


def both_folded_before(one: Mapping[str, int], other: Mapping[str, int]) -> float:
    """The time before which both regions have folded the same records of every origin."""
    parted = [
        min(one.get(origin, 0), other.get(origin, 0))
        for origin in {*one, *other}
        if one.get(origin) != other.get(origin)
    ]
    return min(parted, default=float("inf"))


class Parity:
    """What the lists of two regions have said so far. Who is alike is counted, who differs is
    remembered, 100,000 of them at most. Called by one thread.
    """

    def __init__(self, one: str, other: str) -> None:
        self._regions = one, other
        self._unpaired: dict[tuple[int, int], dict[str, StateDigest]] = {}
        self._differed: Counter[str] = Counter()
        """How often in a row a user differed."""
        self._equal: dict[tuple[int, int], int] = {}
        """(partition, slice) -> users that were alike."""
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
                self._take((made.partition, made.slice), compare(one, other))
                pair.clear()

    def _take(self, place: tuple[int, int], found: Compared) -> None:
        self.pairs += 1
        for user_id in found.equal:
            self._differed.pop(user_id, None)
        for user_id in found.differing:
            if user_id in self._differed or len(self._differed) < _DIFFERING_KEPT:
                self._differed[user_id] += 1
        self._equal[place] = len(found.equal)

    @property
    def equal(self) -> int:
        """Users that were alike when their slice was last compared."""
        return sum(self._equal.values())

    @property
    def differing(self) -> frozenset[str]:
        """Users that were not alike when they were last compared."""
        return frozenset(self._differed)

    @property
    def diverged(self) -> frozenset[str]:
        """Users whose states are not the same and will not become so: a join mends them."""
        return frozenset(user for user, times in self._differed.items() if times >= DIVERGED)


class SlatesCompared(NamedTuple):
    """Of the slates that a standby made: `answered` are those whose ask the owner answered by
    itself, `comparable` of them were made from the same by both, and `equal` are alike then. Of a
    comparable one that is not, `differing` has the id.
    """

    sampled: int
    answered: int
    comparable: int
    equal: int
    differing: frozenset[str]

    @property
    def comparable_share(self) -> float | None:
        """Of the answered; the rest was made from another state, release or catalogue, because
        the two regions read records in other batches. None where none was answered.
        """
        return self.comparable / self.answered if self.answered else None


def compare_slates(
    sampled: Iterable[SampledSlate], published: Iterable[Recommendation]
) -> SlatesCompared:
    """What a standby made against what the owner published. Holds what was sampled in memory;
    `published` may be read as it is asked for, and those of other asks are left out.

    One id may stand for several slates on either side: an event that was sent again, or an ask
    that was answered at two epochs. Each comparable pair of them must be equal.
    """
    mine: dict[str, list[SampledSlate]] = {}
    for slate in sampled:
        mine.setdefault(slate.recommendation_id, []).append(slate)
    answered, comparable, differing = set(), set(), set()
    for theirs in published:
        identity = theirs.recommendation_id
        for slate in mine.get(identity, ()):
            answered.add(identity)
            if _made_from(slate) != _made_from(theirs):
                continue
            comparable.add(identity)
            if not _alike(_scores(slate), _scores(theirs)):
                differing.add(identity)
    return SlatesCompared(
        len(mine),
        len(answered),
        len(comparable),
        len(comparable) - len(differing),
        frozenset(differing),
    )


def _made_from(slate: SampledSlate | Recommendation) -> tuple[object, ...]:
    return slate.made_from, slate.model, slate.arms, slate.fallback


def _scores(slate: SampledSlate | Recommendation) -> list[tuple[str, float]]:
    return [(item.item_id, item.score) for item in slate.items]


def _alike(one: list[tuple[str, float]], other: list[tuple[str, float]]) -> bool:
    """The same items with the same scores in the same places, up to ties: where the items of a
    place differ, their scores do not, and an item that both have has the same score in both.
    """
    if len(one) != len(other):
        return False
    in_other = dict(other)
    return all(
        abs(score - at_place) <= TIE and abs(score - in_other.get(item, score)) <= TIE
        for (item, score), (_, at_place) in zip(one, other, strict=True)
    )
