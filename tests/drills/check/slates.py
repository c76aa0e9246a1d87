"""Slates that two regions made for one cause: what was made from the same is the same.

Scores of two servers may differ in their last digits, so items so near may change places.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import combinations
from typing import NamedTuple

import msgspec

from schemas.recommendations import Recommendation, SlateItem
from schemas.topics import RECOMMENDATIONS
from tests.drills.check.findings import Findings
from tests.drills.check.logs import Logs

TIE = 1e-3


class Compared(NamedTuple):
    """Pairs of slates of one cause by two regions, and those of them that must be equal."""

    pairs: int
    comparable: int
    equal: int


def check_slates(bootstraps: Iterable[str], partitions: int, findings: Findings) -> Compared:
    """Of all regions' own recommendations."""
    by_cause: dict[str, list[Recommendation]] = defaultdict(list)
    for bootstrap in bootstraps:
        for made in _all(bootstrap, partitions):
            by_cause[made.recommendation_id].append(made)
    pairs = comparable = equal = 0
    for identity, made in by_cause.items():
        for one, other in combinations(made, 2):
            if one.region == other.region:
                continue
            pairs += 1
            if not are_comparable(one, other):
                continue
            comparable += 1
            if are_equal(one.items, other.items):
                equal += 1
            else:
                findings.add("slates that differ for no reason", f"{identity}: {one} and {other}")
    findings.looked("pairs of slates", comparable)
    return Compared(pairs, comparable, equal)


def are_comparable(one: Recommendation, other: Recommendation) -> bool:
    def made_by(made: Recommendation) -> tuple[object, ...]:
        return made.made_from, made.model, made.arms, made.fallback

    return made_by(one) == made_by(other)


def are_equal(one: list[SlateItem], other: list[SlateItem]) -> bool:
    """Up to the order of items whose scores are nearer to each other than `TIE`."""
    if len(one) != len(other):
        return False
    scores = {item.item_id: item.score for item in other}
    for mine, theirs in zip(one, other, strict=True):
        if abs(mine.score - theirs.score) > TIE:
            return False
        # Who is not in the other at all was pushed out of it by one as good, at its end.
        if abs(scores.get(mine.item_id, other[-1].score) - mine.score) > TIE:
            return False
    return True


def _all(bootstrap: str, partitions: int) -> Iterator[Recommendation]:
    logs = Logs(bootstrap)
    try:
        for number in range(partitions):
            for message in logs.records(RECOMMENDATIONS.name, number):
                yield msgspec.json.decode(message.value(), type=Recommendation)
    finally:
        logs.close()
