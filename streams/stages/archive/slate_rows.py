"""Rows of `recommendations`.

Pure: a record in, a row out. Called by `rows`.
"""

from schemas.codec import SCHEMA_HEADER, MessageDecoder
from schemas.recommendations import AnswerHeaders, Recommendation
from streams.lane.contract import Record
from streams.stages.archive.cells import signed, unsigned, version_at
from streams.stages.archive.tables import RecommendationRow

_decoder: MessageDecoder[Recommendation] = MessageDecoder("recommendation")


def recommendation_row(record: Record, _origin: str) -> RecommendationRow:
    """Raises RefusedError. The partition is the user's, and so the same in every region."""
    value, headers = record.value(), record.headers() or []
    slate = _decoder.decode(value, dict(headers).get(SCHEMA_HEADER))
    issued_at_ms = unsigned(slate.issued_at_ms)
    return RecommendationRow(
        recommendation_id=slate.recommendation_id,
        epoch=signed(slate.epoch),
        user_id=slate.user_id,
        surface=slate.surface,
        issued_at_ms=issued_at_ms,
        cause_event_id=slate.cause.event_id,
        cause_kind=slate.cause.kind,
        cause_at_ms=unsigned(slate.cause.at_ms),
        cause_appended_at_ms=unsigned(slate.cause.appended_at_ms),
        items__item_id=[item.item_id for item in slate.items],
        items__score=[item.score for item in slate.items],
        items__position=[unsigned(item.position, 32) for item in slate.items],
        items__source=[item.source for item in slate.items],
        items__because=[item.because or "" for item in slate.items],
        items__propensity=[item.propensity for item in slate.items],
        model=slate.model.name if slate.model else "",
        model_version=slate.model.version if slate.model else "",
        arms__experiment=[arm.experiment for arm in slate.arms],
        arms__revision=[signed(arm.revision) for arm in slate.arms],
        arms__name=[arm.name for arm in slate.arms],
        fallback=slate.fallback or "none",
        made_from_state=slate.made_from.state,
        made_from_catalogue=slate.made_from.catalogue,
        made_from_vectors=slate.made_from.vectors,
        made_from_fold=slate.made_from.fold,
        region=slate.region,
        origin=slate.origin,
        partition=unsigned(record.partition(), 32),
        answered_before_ms=_answered_before_ms(headers),
        row_version=version_at(issued_at_ms, value),
    )


def _answered_before_ms(headers: list[tuple[str, bytes]]) -> int:
    """0 where the headers do not say: the slate itself is still worth keeping."""
    try:
        return unsigned(AnswerHeaders.decode(headers).answered_before_ms)
    except ValueError:
        return 0
