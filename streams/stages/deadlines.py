"""How long each ask of a batch may wait for the model, and what becomes of it without an answer.

    age when read         waits for Triton                          without an answer
    within the deadline   until the deadline; at least half of it   the fallback
                          where Triton answers that fast
    older: it is late     as long as its partition's patience       it stays due; once patience
                          lasts, beside this batch and others       is over, the fallback

Who waits for a slate is never kept waiting for those who do not any more: late asks have few
requests in flight, and go on being scored (late.py) while the batch that began it, and others, are
committed. Called by `answering`, once a batch.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from itertools import chain

from streams import metrics
from streams.scoring.candidates import Scored, Wanted
from streams.scoring.client import Scorer
from streams.settings import Settings
from streams.stages.late import Late, Planned

_NO_VERSION = Scored([], "unavailable")
_OUT_OF_PATIENCE = Scored([], "deadline")


class Deadlines:
    def __init__(self, settings: Settings, scorer: Scorer) -> None:
        self._scorer = scorer
        self._deadline_ms = settings.score_deadline_ms
        self._late_deadline_ms = settings.late_deadline_ms

    async def score(self, planned: Sequence[Planned], late: Late) -> list[Scored | None]:
        """What came of each; None: it stays due. `late` is the partition's."""
        results: list[Scored | None] = [_NO_VERSION] * len(planned)
        early, hurried, overdue = self._by_age(planned)
        # Oldest first, should the time not be enough for all.
        overdue.sort(key=lambda place: planned[place].ask.appended_at_ms)
        may_wait = late.may_wait(_age_ms(planned[overdue[0]]) / 1000 if overdue else None)
        scored = await asyncio.gather(
            self._in_time([planned[place] for place in early], may_wait=may_wait),
            self._in_time([planned[place] for place in hurried], may_wait=may_wait),
            self._overdue([planned[place] for place in overdue], late, may_wait=may_wait),
        )
        places = chain(early, hurried, overdue)
        for place, result in zip(places, chain.from_iterable(scored), strict=True):
            results[place] = result
        return results

    async def sample(self, planned: Sequence[Planned]) -> list[Scored]:
        """What would have come of each in time; those who wait for their own slate go before them.

        For asks that another region answers, so their age says nothing.
        """
        results = [_NO_VERSION] * len(planned)
        places = [place for place, plan in enumerate(planned) if plan.version and not plan.is_cold]
        scored = await _by_version(
            [planned[place] for place in places],
            lambda wanted, version: self._scorer.score_late(
                wanted, version, self._deadline_ms, self._deadline_ms
            ),
        )
        for place, result in zip(places, scored, strict=True):
            results[place] = result
        return results

    def _by_age(self, planned: Sequence[Planned]) -> tuple[list[int], list[int], list[int]]:
        """Places of those read in the first half of their deadline, in the second, and late."""
        early, hurried, late = [], [], []
        for place, plan in enumerate(planned):
            if plan.version is None or plan.is_cold:
                continue
            age_ms = _age_ms(plan)
            if age_ms <= self._deadline_ms / 2:
                early.append(place)
            elif age_ms <= self._deadline_ms:
                hurried.append(place)
            else:
                late.append(place)
        return early, hurried, late

    async def _in_time(self, planned: Sequence[Planned], *, may_wait: bool) -> list[Scored | None]:
        if not planned:
            return []
        left_ms = self._deadline_ms - max(_age_ms(plan) for plan in planned)
        half_ms = self._deadline_ms / 2
        if self._scorer.expects(half_ms):
            left_ms = max(left_ms, half_ms)
        scored = await _by_version(
            planned, lambda wanted, version: self._scorer.score(wanted, version, left_ms)
        )
        # A worker that was stopped meanwhile finds that asks are late which were not: with twice
        # the deadline gone, nobody waits for a fallback any more.
        return [
            None
            if result.failure and may_wait and _age_ms(plan) > 2 * self._deadline_ms
            else result
            for plan, result in zip(planned, scored, strict=True)
        ]

    async def _overdue(
        self, planned: Sequence[Planned], late: Late, *, may_wait: bool
    ) -> Sequence[Scored | None]:
        if not planned:
            return []
        if not may_wait:
            metrics.LATE_ASKS.labels("fallback").inc(len(planned))
            return [_OUT_OF_PATIENCE] * len(planned)
        # Asks behind this batch should not become late by waiting for it.
        results = await late.score(planned, self._score_late, self._deadline_ms / 2 / 1000)
        metrics.LATE_ASKS.labels("scored").inc(len(results) - results.count(None))
        return results

    async def _score_late(self, planned: Sequence[Planned]) -> list[Scored]:
        request_ms = float(self._late_deadline_ms)
        if not self._scorer.expects(request_ms):
            request_ms = self._deadline_ms / 2  # a probe
        return await _by_version(
            planned,
            lambda wanted, version: self._scorer.score_late(
                wanted, version, self._deadline_ms, request_ms
            ),
        )


async def _by_version(
    planned: Sequence[Planned],
    score: Callable[[Sequence[Wanted], str], Awaitable[list[Scored]]],
) -> list[Scored]:
    """One call a version, all at once."""
    places: dict[str, list[int]] = defaultdict(list)
    for place, plan in enumerate(planned):
        assert plan.version is not None
        places[plan.version].append(place)
    calls = (
        score([planned[place].wanted for place in of_version], version)
        for version, of_version in places.items()
    )
    results = [_NO_VERSION] * len(planned)
    for of_version, scored in zip(places.values(), await asyncio.gather(*calls), strict=True):
        for place, result in zip(of_version, scored, strict=True):
            results[place] = result
    return results


def _age_ms(plan: Planned) -> float:
    """A broker's clock may be ahead of ours; nobody waits longer for that."""
    return max(0.0, time.time() * 1000 - plan.ask.appended_at_ms)
