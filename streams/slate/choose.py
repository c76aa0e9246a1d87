"""One slate, from candidates to places: filter, suppress repeats, diversify, give new items their
places, explore, number.

Called by the recommend stage for each recommendation. Pure: the same inputs give the same slate
in every region. The time is the cause's append time, never a clock's.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from schemas.recommendations import SlateItem
from schemas.serving import MAX_K
from schemas.state import UserState
from streams.scoring.candidates import Candidate
from streams.slate.diversity import spread
from streams.slate.exploration import RESERVES, explore
from streams.slate.filters import Items, allowed, excluded
from streams.slate.new_items import given_places
from streams.slate.repeats import ignored, moved_down


@dataclass(frozen=True)
class Policy:
    """How slates are made, apart from the model."""

    explore_rate: float = 0.05
    """The share of slates in which one item is swapped; 0 turns exploration off."""
    category_share: float = 0.5
    """At most this share of a slate is of one category."""
    new_share: float = 0.1
    """This share of a slate is for items newer than the release, where there are any."""


DEFAULT_POLICY = Policy()


def candidates_wanted(limit: int) -> int:
    """How many candidates to ask for: a slate, one more for repeats to fall behind and for
    diversity to choose from, and the reserves.
    """
    return min(MAX_K, 2 * limit + RESERVES)


def choose(
    *,
    recommendation_id: str,
    candidates: Iterable[Candidate],
    state: UserState,
    items: Items,
    limit: int,
    now_ms: int,
    policy: Policy = DEFAULT_POLICY,
) -> list[SlateItem]:
    """At most `limit` items, best first. `candidates` come best first too, new items among them;
    `now_ms` is the append time of the cause.
    """
    known = dict(allowed(candidates, excluded(state), items))

    def category(candidate: Candidate) -> str | None:
        return next(iter(known[candidate].categories), None)

    resting = ignored(state, now_ms)
    ranked = moved_down(list(known), resting, limit)
    ranked = spread(ranked, category, limit, policy.category_share)
    ranked = given_places(ranked, limit, policy.new_share, resting)
    placed = explore(ranked, limit, policy.explore_rate, recommendation_id)
    return [
        SlateItem(
            item_id=known[candidate].item_id,
            score=candidate.score,
            position=position,
            source=candidate.source,
            propensity=propensity,
            because=_because(candidate, items),
        )
        for position, (candidate, propensity) in enumerate(placed)
    ]


def _because(candidate: Candidate, items: Items) -> str | None:
    if candidate.because is None:
        return None
    reason = items.item(candidate.because)
    return None if reason is None else reason.item_id
