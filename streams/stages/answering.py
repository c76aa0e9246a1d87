"""The second half of `recommend`: asks into recommendations, ready to be committed.

Of each (user, surface) only the newest ask comes here: its slate answers all before it. How long
each waits for its scores: deadlines.py.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import msgspec

from schemas.codec import encode, schema_header
from schemas.control import SampledSlate, ScoredItem
from schemas.identifiers import recommendation_id
from schemas.recommendations import (
    Arm,
    Cause,
    CauseKey,
    Fallback,
    HeaderWriter,
    MadeFrom,
    ModelVersion,
    ReadFrom,
    Recommendation,
    SlateItem,
)
from schemas.serving import MODEL
from schemas.state import UserState
from schemas.topics import RECOMMENDATIONS
from streams.lane.contract import Produced
from streams.scoring.candidates import Candidate, Scored, Wanted
from streams.scoring.client import Scorer
from streams.scoring.fallback import popular_candidates
from streams.settings import Settings
from streams.slate.choose import DEFAULT_POLICY, candidates_wanted, choose
from streams.slate.filters import excluded
from streams.slate.new_items import by_score
from streams.stages.asks import Ask
from streams.stages.deadlines import Deadlines
from streams.stages.known import Known
from streams.stages.late import Late, Planned
from streams.stages.new_items import NewItems
from streams.state.digests import state_digest
from streams.state.fold import FOLD_DIGEST

_SCHEMA = schema_header("recommendation")


class Answer(msgspec.Struct, frozen=True, gc=False):
    """A recommendation to commit, and what is counted when it is."""

    record: Produced
    surface: str
    fallback: Fallback | None
    version: str
    appended_at_ms: int


class Answered(NamedTuple):
    """What came of a batch's asks."""

    answers: list[Answer]
    due: list[Ask]
    """Late ones that nobody could score yet."""


class _Slate(msgspec.Struct, frozen=True, gc=False):
    """What is the same whether it is published or only compared."""

    recommendation_id: str
    items: list[SlateItem]
    model: ModelVersion | None
    arms: list[Arm]
    fallback: Fallback | None
    made_from: MadeFrom


class _Shared(msgspec.Struct, frozen=True):
    """What the answers of a batch have in common."""

    partition: int
    issued_at_ms: int
    catalogue: str
    """The digest of the catalogue that their slates are chosen from."""
    epochs: Mapping[str, int]
    writers: Mapping[str, HeaderWriter]


class Answering:
    def __init__(self, settings: Settings, known: Known, scorer: Scorer) -> None:
        self._settings = settings
        self._known = known
        self._new_items = NewItems(known, settings.new_share)
        self._policy = replace(DEFAULT_POLICY, new_share=settings.new_share)
        self._deadlines = Deadlines(settings, scorer)

    async def answer(
        self,
        partition: int,
        states: Callable[[str], UserState],
        asks: Sequence[Ask],
        epochs: Mapping[str, int],
        answered_before_ms: Mapping[str, int],
        late: Late,
    ) -> Answered:
        """`epochs` and `answered_before_ms` by origin, of every origin that the asks have."""
        planned = [self.plan(ask, states(ask.event.user_id)) for ask in asks]
        scored = await self._score(planned, late)
        writers = {
            origin: HeaderWriter(origin, epoch, answered_before_ms[origin])
            for origin, epoch in epochs.items()
            if origin in answered_before_ms
        }
        shared = _Shared(
            partition,
            time.time_ns() // 1_000_000,
            self._known.catalogue.digest,
            epochs,
            writers,
        )
        answered = Answered([], [])
        for plan, result in zip(planned, scored, strict=True):
            if result is None:
                answered.due.append(plan.ask)
            else:
                answered.answers.append(self._answer(plan, result, shared))
        return answered

    async def sample(self, planned: Sequence[Planned]) -> list[SampledSlate]:
        """What would be shown for asks that another region answers. Nobody waits for it."""
        scored = await self._deadlines.sample(planned)
        catalogue = self._known.catalogue.digest
        return [
            _sampled(self._slate(plan, result, catalogue))
            for plan, result in zip(planned, scored, strict=True)
        ]

    def plan(self, ask: Ask, state: UserState) -> Planned:
        """Who scores this ask, and what is asked of him; by what is known now."""
        event = ask.event
        limit = event.limit or self._settings.slate_size
        version = self._known.version_for(event.user_id)
        return Planned(
            ask=ask,
            wanted=Wanted(
                state,
                candidates_wanted(limit),
                excluded(state),
                event.user_id,
                with_vector=self._new_items.are_there(version),
            ),
            limit=limit,
            version=version,
            is_cold=not state.history,
        )

    async def _score(self, planned: Sequence[Planned], late: Late) -> Sequence[Scored | None]:
        return await self._deadlines.score(planned, late)

    def _answer(self, plan: Planned, scored: Scored, shared: _Shared) -> Answer:
        ask, event = plan.ask, plan.ask.event
        user_id, surface, event_id, kind = event.user_id, event.surface, event.event_id, event.kind
        slate = self._slate(plan, scored, shared.catalogue)
        region = self._settings.region
        recommendation = Recommendation(
            recommendation_id=slate.recommendation_id,
            user_id=user_id,
            surface=surface,
            issued_at_ms=shared.issued_at_ms,
            cause=Cause(
                event_id=event_id,
                kind=kind,
                at_ms=event.at_ms,
                appended_at_ms=ask.appended_at_ms,
            ),
            items=slate.items,
            model=slate.model,
            arms=slate.arms,
            fallback=slate.fallback,
            made_from=slate.made_from,
            region=region,
            origin=ask.origin,
            epoch=shared.epochs[ask.origin],
            read_from=ReadFrom(
                cluster=region, topic=ask.topic, partition=shared.partition, offset=ask.offset
            ),
        )
        cause = CauseKey(ask.appended_at_ms, event_id, surface)
        record = Produced(
            RECOMMENDATIONS.name,
            user_id.encode(),
            encode(recommendation),
            [_SCHEMA, *shared.writers[ask.origin].headers(cause)],
            shared.partition,
        )
        version = "" if slate.model is None else slate.model.version
        return Answer(record, surface, slate.fallback, version, ask.appended_at_ms)

    def _slate(self, plan: Planned, scored: Scored, catalogue: str) -> _Slate:
        """`catalogue` is the digest of the one that it is chosen from, which is today's."""
        event, state = plan.ask.event, plan.wanted.state
        fallback, candidates = self._or_fallback(plan, scored)
        identity = recommendation_id(event.user_id, event.event_id, event.surface)
        version = None if fallback else plan.version
        new = self._new_items.choose(plan, scored)
        return _Slate(
            identity,
            choose(
                recommendation_id=identity,
                candidates=by_score(candidates, new.candidates),
                state=state,
                items=self._known.catalogue,
                limit=plan.limit,
                now_ms=plan.ask.appended_at_ms,
                policy=self._policy,
            ),
            None if version is None else ModelVersion(name=MODEL, version=version),
            self._known.experiments.arms(event.user_id, event.surface),
            fallback,
            MadeFrom(
                state=state_digest(state),
                catalogue=catalogue,
                vectors=new.digest,
                fold=FOLD_DIGEST,
            ),
        )

    def _or_fallback(
        self, plan: Planned, scored: Scored
    ) -> tuple[Fallback | None, Sequence[Candidate]]:
        fallback: Fallback | None = "cold_user" if plan.is_cold else scored.failure
        if fallback is None:
            return None, scored.candidates
        wanted = plan.wanted
        return fallback, popular_candidates(
            self._known.catalogue.popular(), wanted.exclude, wanted.k
        )


def _sampled(slate: _Slate) -> SampledSlate:
    return SampledSlate(
        recommendation_id=slate.recommendation_id,
        made_from=slate.made_from,
        model=slate.model,
        arms=slate.arms,
        fallback=slate.fallback,
        items=[ScoredItem(item_id=item.item_id, score=item.score) for item in slate.items],
    )
