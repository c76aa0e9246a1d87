"""The constant slate: what every engine writes for an event, in a real recommendation's bytes."""

from schemas.codec import encode
from schemas.recommendations import Cause, MadeFrom, ReadFrom, Recommendation, SlateItem
from tests.benchmarks.peers.work import EVENT, USER

SIZE = 10
_NOW_MS = 1_700_000_000_000
_DIGEST = "0" * 16


def items() -> list[SlateItem]:
    """As many as the default slate has."""
    return [
        SlateItem(
            item_id=f"item-{place:05d}",
            score=round(1 - place / 100, 2),
            position=place,
            source="constant",
            propensity=1.0,
        )
        for place in range(SIZE)
    ]


def template() -> bytes:
    """A recommendation with place holders for the user's and the event's id."""
    return encode(
        Recommendation(
            recommendation_id="0" * 32,
            user_id=USER.decode(),
            surface="main",
            issued_at_ms=_NOW_MS,
            cause=Cause(
                event_id=EVENT.decode(), kind="click", at_ms=_NOW_MS, appended_at_ms=_NOW_MS
            ),
            items=items(),
            model=None,
            arms=[],
            fallback=None,
            made_from=MadeFrom(state=_DIGEST, catalogue=_DIGEST, vectors=_DIGEST, fold=_DIGEST),
            region="east",
            origin="east",
            epoch=16,
            read_from=ReadFrom(cluster="east", topic="user-events", partition=0, offset=100_000),
        )
    )
