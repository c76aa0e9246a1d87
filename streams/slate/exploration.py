"""Now and then an item from beyond the slate takes a place in its lower half. Pure.

With the probability `rate` one of the S places of the lower half, each as likely, is given to one
of the R reserves that follow the slate, each as likely. So, given the ranking, this is the exact
probability with which the item stands at its place:

    a place of the upper half                   1
    a place of the lower half, ranked item      1 - rate / S
    a place of the lower half, a reserve        rate / (S * R)

Without reserves nothing is swapped and every propensity is 1. The draw is a hash of the
recommendation's id: every region draws alike, and nobody can draw again.
"""

from collections.abc import Sequence
from typing import NamedTuple

import xxhash

from streams.scoring.candidates import Candidate

RESERVES = 20
"""How far below the slate exploration reaches: items that nearly made it."""


class Placed(NamedTuple):
    """A candidate at its place in the slate."""

    candidate: Candidate
    propensity: float


def explore(
    ranked: Sequence[Candidate], limit: int, rate: float, recommendation_id: str
) -> list[Placed]:
    """The slate, at most `limit` long. Raises ValueError for a rate outside 0 to 1."""
    if not 0 <= rate <= 1:
        raise ValueError(f"an exploration rate of {rate} is not a probability")
    slate, reserves = ranked[:limit], ranked[limit : limit + RESERVES]
    if not reserves or rate == 0:
        return [Placed(candidate, 1.0) for candidate in slate]
    upper = len(slate) // 2
    lower = len(slate) - upper
    placed = [
        Placed(candidate, 1.0 if place < upper else 1 - rate / lower)
        for place, candidate in enumerate(slate)
    ]
    if _draw(recommendation_id, 0) < rate * (1 << 64):
        place = upper + _draw(recommendation_id, 1) % lower
        reserve = reserves[_draw(recommendation_id, 2) % len(reserves)]
        placed[place] = Placed(reserve, rate / (lower * len(reserves)))
    return placed


def _draw(recommendation_id: str, which: int) -> int:
    """64 bits that hang on the id and on which draw of it this is."""
    return xxhash.xxh3_64_intdigest(recommendation_id.encode(), seed=which)
