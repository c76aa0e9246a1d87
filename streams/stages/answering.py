"""The second half of `recommend`: asks into recommendations, ready to be committed.

Of each (user, surface) only the newest ask is answered: its slate answers all before it. Asks
that are late already when they are read are scored under a longer deadline, for nobody gains from
a late fallback.
"""

import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from schemas.codec import encode, schema_header
from schemas.identifiers import recommendation_id
from schemas.recommendations import (
    AnswerHeaders,
    Cause,
    CauseKey,
    Fallback,
    MadeFrom,
    ModelVersion,
    ReadFrom,
    Recommendation,
)
from schemas.serving import MODEL
from schemas.topics import RECOMMENDATIONS
from streams.lane.contract import Produced
from streams.scoring.candidates import Candidate, Scored, Wanted
from streams.scoring.client import Scorer
from streams.scoring.fallback import popular_candidates
from streams.settings import Settings
from streams.slate.choose import candidates_wanted, choose
from streams.slate.filters import excluded
from streams.stages.intake import Ask, Intake, Partition
from streams.stages.known import Known
from streams.state.fold import FOLD_DIGEST

_NO_VECTORS = "0" * 16
"""The digest of no item vectors at all."""


@dataclass(frozen=True)
class Answer:
    """A recommendation to commit, and what is counted when it is."""

    record: Produced
    surface: str
    fallback: Fallback | None
    version: str
    appended_at_ms: int


@dataclass(frozen=True)
class _Planned:
    """An ask to answer now, and who scores it; no version: nobody can."""

    ask: Ask
    epoch: int
    wanted: Wanted
    limit: int
    version: str | None
    is_cold: bool


class Answering:
    def __init__(self, settings: Settings, known: Known, scorer: Scorer) -> None:
        self._settings = settings
        self._known = known
        self._scorer = scorer

    def open_asks(self, partition: Partition, intake: Intake) -> list[Ask]:
        """The asks of the batch that are this region's to answer and were not answered yet."""
        return [
            ask
            for ask in intake.asks
            if self._known.epoch(ask.origin) is not None
            and not partition.recent.answered(
                ask.event.user_id, ask.event.event_id, ask.event.surface, ask.appended_at_ms
            )
        ]

    async def answer(
        self, partition: Partition, asks: Sequence[Ask], answered_before_ms: Mapping[str, int]
    ) -> list[Answer]:
        """`answered_before_ms`: of each origin, the append time of the batch's first record."""
        planned = [self._plan(partition, ask) for ask in newest_of_each(asks)]
        scored = await self._score(planned)
        return [
            self._answer(partition, plan, result, answered_before_ms)
            for plan, result in zip(planned, scored, strict=True)
        ]

    def _plan(self, partition: Partition, ask: Ask) -> _Planned:
        event = ask.event
        epoch = self._known.epoch(ask.origin)
        assert epoch is not None  # nothing is awaited since `open_asks` looked
        state = partition.users.get(event.user_id)
        limit = event.limit or self._settings.slate_size
        return _Planned(
            ask=ask,
            epoch=epoch,
            wanted=Wanted(state, candidates_wanted(limit), excluded(state)),
            limit=limit,
            version=self._known.version_for(event.user_id),
            is_cold=not state.history,
        )

    async def _score(self, planned: Sequence[_Planned]) -> list[Scored]:
        """One call a version and lateness; 32 users a request within it."""
        now_ms = time.time_ns() // 1_000_000
        results = [Scored([], "unavailable")] * len(planned)
        calls: dict[tuple[str, bool], list[int]] = defaultdict(list)
        for place, plan in enumerate(planned):
            if plan.version is not None and not plan.is_cold:
                age_ms = now_ms - plan.ask.appended_at_ms
                is_late = age_ms > self._settings.score_deadline_ms // 2
                calls[plan.version, is_late].append(place)
        for (version, is_late), places in calls.items():
            deadline_ms = float(self._settings.late_deadline_ms)
            if not is_late:
                oldest_ms = min(planned[place].ask.appended_at_ms for place in places)
                # A broker's clock may be ahead of ours; nobody waits longer for that.
                age_ms = max(0, now_ms - oldest_ms)
                deadline_ms = self._settings.score_deadline_ms - age_ms
            wanted = [planned[place].wanted for place in places]
            for place, result in zip(
                places, await self._scorer.score(wanted, version, deadline_ms), strict=True
            ):
                results[place] = result
        return results

    def _answer(
        self,
        partition: Partition,
        plan: _Planned,
        scored: Scored,
        answered_before_ms: Mapping[str, int],
    ) -> Answer:
        ask, event = plan.ask, plan.ask.event
        fallback, candidates = self._or_fallback(plan, scored)
        identity = recommendation_id(event.user_id, event.event_id, event.surface)
        catalogue = self._known.catalogue
        version = None if fallback else plan.version
        recommendation = Recommendation(
            recommendation_id=identity,
            user_id=event.user_id,
            surface=event.surface,
            issued_at_ms=time.time_ns() // 1_000_000,
            cause=Cause(
                event_id=event.event_id,
                kind=event.kind,
                at_ms=event.at_ms,
                appended_at_ms=ask.appended_at_ms,
            ),
            items=choose(
                recommendation_id=identity,
                candidates=candidates,
                state=plan.wanted.state,
                items=catalogue,
                limit=plan.limit,
                now_ms=ask.appended_at_ms,
            ),
            model=None if version is None else ModelVersion(name=MODEL, version=version),
            arms=self._known.experiments.arms(event.user_id, event.surface),
            fallback=fallback,
            made_from=MadeFrom(
                state=partition.users.digest(event.user_id),
                catalogue=catalogue.digest,
                vectors=_NO_VECTORS,
                fold=FOLD_DIGEST,
            ),
            region=self._settings.region,
            origin=ask.origin,
            epoch=plan.epoch,
            read_from=ReadFrom(
                cluster=self._settings.region,
                topic=ask.topic,
                partition=partition.number,
                offset=ask.offset,
            ),
        )
        headers = AnswerHeaders(
            origin=ask.origin,
            epoch=plan.epoch,
            cause=CauseKey(ask.appended_at_ms, event.event_id, event.surface),
            answered_before_ms=answered_before_ms[ask.origin],
        )
        record = Produced(
            RECOMMENDATIONS.name,
            event.user_id.encode(),
            encode(recommendation),
            [schema_header("recommendation"), *headers.encode()],
            partition.number,
        )
        return Answer(record, event.surface, fallback, version or "", ask.appended_at_ms)

    def _or_fallback(
        self, plan: _Planned, scored: Scored
    ) -> tuple[Fallback | None, Sequence[Candidate]]:
        fallback: Fallback | None = "cold_user" if plan.is_cold else scored.failure
        if fallback is None:
            return None, scored.candidates
        wanted = plan.wanted
        return fallback, popular_candidates(
            self._known.catalogue.popular(), wanted.exclude, wanted.k
        )


def newest_of_each(asks: Sequence[Ask]) -> list[Ask]:
    """The newest ask of each (user, surface), in their order."""
    newest: dict[tuple[str, str], Ask] = {}
    for ask in sorted(asks, key=lambda ask: ask.order):
        key = ask.event.user_id, ask.event.surface
        newest.pop(key, None)
        newest[key] = ask
    return list(newest.values())
