"""What a prober tells of all regions, as others read it, and how they put it into their own clock.

Two machines' clocks may be apart, so the document has ages and no times. Whoever reads it knows
when he asked and when he had the answer, and takes of each time the one that makes a promotion
later. Pure. `serving` sends it, `asking` reads it.
"""

from collections.abc import Mapping
from dataclasses import replace

import msgspec

from infra.probing.seen import Sample, Seen, Way
from streams.region.detection import FRESH_S, View


class Ends(msgspec.Struct, frozen=True, kw_only=True):
    """The newest sample of a region's `user-events`: offsets, and records a second."""

    age_s: float
    ends: dict[int, int]
    rates: dict[int, float] = {}


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """Of one region. `watched_s`: for how long it was looked at without a break; `looked_age_s`:
    since the last look; `heard_age_s`: since it was heard, by each way.
    """

    watched_s: float
    looked_age_s: float
    heard_age_s: dict[Way, float] = {}
    ends: Ends | None = None


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """By the prober `observer`: `outside`, or the region it runs in, whose number and partitions
    these are.
    """

    observer: str
    region_number: int
    partitions: int
    regions: dict[str, Told] = {}


class Answer(msgspec.Struct, frozen=True):
    """A report, and when it was asked for and was here, by the asker's clock."""

    asked_s: float
    answered_s: float
    report: Report


class Contact:
    """What another prober answered, and since when it has done so without a break. Silence counts
    from there: who was cut off from everybody for a while must first look again himself.
    """

    def __init__(self, name: str, now_s: float) -> None:
        self._name, self._since_s = name, now_s
        self.answer: Answer | None = None

    def took(self, answer: Answer) -> None:
        before = self.answer
        if before is None or answer.answered_s - before.answered_s > FRESH_S:
            self._since_s = answer.answered_s
        self.answer = answer

    def view(self, region: str) -> View:
        """Blind where it never said anything of the region."""
        said = None if self.answer is None else view(self.answer, region)
        if said is None:
            return View(observer=self._name, since_s=self._since_s, looked_s=self._since_s)
        return replace(said, since_s=max(said.since_s, self._since_s))


def told(seen: Mapping[str, Seen], now_s: float) -> dict[str, Told]:
    """What is remembered of each region, as ages."""
    return {region: _told(one, now_s) for region, one in seen.items()}


def view(answer: Answer, region: str) -> View | None:
    """What the other prober says of a region, in the asker's clock; None where it says nothing."""
    found = answer.report.regions.get(region)
    if found is None:
        return None
    heard_age_s = min(found.heard_age_s.values(), default=None)
    return View(
        observer=answer.report.observer,
        since_s=answer.answered_s - found.watched_s,
        looked_s=answer.asked_s - found.looked_age_s,
        heard_s=None if heard_age_s is None else answer.answered_s - heard_age_s,
    )


def sample(answer: Answer, region: str) -> Sample | None:
    """The newest sample that the other prober has of a region, in the asker's clock."""
    found = answer.report.regions.get(region)
    if found is None or found.ends is None:
        return None
    return Sample(answer.asked_s - found.ends.age_s, found.ends.ends, found.ends.rates)


def _told(seen: Seen, now_s: float) -> Told:
    view_, newest = seen.view, seen.sample
    return Told(
        watched_s=max(0.0, now_s - view_.since_s),
        looked_age_s=max(0.0, now_s - view_.looked_s),
        heard_age_s={way: max(0.0, now_s - at_s) for way, at_s in seen.heard_s.items()},
        ends=None
        if newest is None
        else Ends(age_s=max(0.0, now_s - newest.at_s), ends=newest.ends, rates=newest.rates),
    )
