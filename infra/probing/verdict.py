"""What a prober makes of what it and others see of a region, in a state and a sentence. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from streams.region.detection import View, why_not_automatic

State = Literal["new", "heard", "doubted", "lost"]
"""`new`: whoever judges never heard it, and has just begun to look; `doubted`: he has lost it, and
somebody else has not, or cannot tell.
"""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """`says` is for a person; `why_not_lost` is empty where the region is lost."""

    region: str
    state: State
    says: str
    why_not_lost: Sequence[str]


def verdict(
    region: str, own: View, others: Sequence[View], *, after_s: float, now_s: float
) -> Verdict:
    """By whoever judges (`own`) and, where he is outside, each other region's prober."""
    why_not: list[str] = []
    for other in others or (own,):
        found = why_not_automatic(region, own, other, after_s=after_s, now_s=now_s)
        why_not += [reason for reason in found if reason not in why_not]
    silent = f"{own.observer} has not heard it for {own.silent_s():.1f} s"
    also = "".join(f", {one.observer} not for {one.silent_s():.1f} s" for one in others)
    if not why_not:
        says = f"{region} is lost: {silent}{also}"
        return Verdict(region=region, state="lost", says=says, why_not_lost=())
    if own.silent_s() >= after_s:
        says = f"{region} may be lost: {silent}; but {'; '.join(why_not)}"
        return Verdict(region=region, state="doubted", says=says, why_not_lost=why_not)
    if own.heard_s is None:
        says = f"{region} was not heard by {own.observer} yet"
        return Verdict(region=region, state="new", says=says, why_not_lost=why_not)
    says = f"{region} is heard by {own.observer}"
    return Verdict(region=region, state="heard", says=says, why_not_lost=why_not)
