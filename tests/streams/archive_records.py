"""A record of every archived topic, as its writer would produce it, and copies of it."""

from typing import Any

import msgspec

from schemas import topics
from schemas.codec import Reason, RefusedError, encode
from schemas.control import (
    Canary,
    Experiment,
    ExperimentArm,
    ModelRelease,
    Ownership,
    PastEpoch,
    Served,
    StateDigest,
    UserDigest,
)
from schemas.items import ItemUpdate, ItemVector, vector_key
from schemas.recommendations import (
    AnswerHeaders,
    Arm,
    Cause,
    CauseKey,
    MadeFrom,
    ModelVersion,
    ReadFrom,
    Recommendation,
    SlateItem,
)
from streams.lane.dead_letters import dead_letter
from tests.streams.records import FakeRecord

NOT_UTF8 = b'{"kind": "view\xff\x00\xfe"'


def event(appended_at_ms: int, *, topic: str = "user-events", **fields: Any) -> FakeRecord:
    """A click of kim on item-1 unless the fields say otherwise."""
    message = {
        "kind": "click",
        "event_id": "event-1",
        "user_id": "kim",
        "at_ms": appended_at_ms - 50,
        "item_id": "item-1",
    }
    value = msgspec.json.encode(message | fields)
    return FakeRecord(value, topic=topic, timestamp_ms=appended_at_ms)


def slate(
    issued_at_ms: int,
    *,
    topic: str = "recommendations",
    partition: int = 3,
    items: tuple[str, ...] = ("item-1", "item-2"),
    **fields: Any,
) -> FakeRecord:
    """A slate for kim of the model, answering event-0."""
    message = Recommendation(
        recommendation_id="slate-1",
        user_id="kim",
        surface="main",
        issued_at_ms=issued_at_ms,
        cause=Cause(
            event_id="event-0",
            kind="click",
            at_ms=issued_at_ms - 90,
            appended_at_ms=issued_at_ms - 40,
        ),
        items=[
            SlateItem(
                item_id=item,
                score=1.0 / (position + 1),
                position=position,
                source="transitions",
                propensity=0.5,
                because="item-0" if position == 0 else None,
            )
            for position, item in enumerate(items)
        ],
        model=ModelVersion(name="recommender", version="3"),
        arms=[Arm(experiment="more-new", revision=2, name="control")],
        fallback=None,
        made_from=MadeFrom(state="a" * 16, catalogue="b" * 16, vectors="c" * 16, fold="d" * 16),
        region="east",
        origin="east",
        epoch=16,
        read_from=ReadFrom(cluster="east", topic="user-events", partition=3, offset=7),
    )
    message = msgspec.structs.replace(message, **fields)
    headers = AnswerHeaders(
        origin=message.origin,
        epoch=message.epoch,
        cause=CauseKey(message.cause.appended_at_ms, message.cause.event_id, message.surface),
        answered_before_ms=issued_at_ms - 60,
    )
    return FakeRecord(
        encode(message),
        topic=topic,
        partition=partition,
        timestamp_ms=issued_at_ms,
        headers=headers.encode(),
    )


def letter(written_at_ms: int, value: bytes | None = NOT_UTF8) -> FakeRecord:
    """A dead letter as the lane writes it, with a header that its producer gave."""
    refused = FakeRecord(
        value,
        key=b"\xc3\x28",
        partition=5,
        offset=99,
        timestamp_ms=written_at_ms - 20,
        headers=[("trace", b"\x80\x81")],
    )
    produced = dead_letter(refused, RefusedError(Reason.NOT_UTF8, "not UTF-8"))
    return FakeRecord(
        produced.value,
        key=produced.key,
        topic=produced.topic,
        timestamp_ms=written_at_ms,
        headers=produced.headers,
    )


def item(
    appended_at_ms: int, *, topic: str = "item-updates", offset: int = 0, **fields: Any
) -> FakeRecord:
    update = ItemUpdate(
        item_id="item-1",
        title="Tea",
        at_ms=appended_at_ms,
        categories=["Grocery", "Drinks"],
        brand="Tidemill",
        price=2.5,
        currency="EUR",
        tags=["new"],
    )
    value = encode(msgspec.structs.replace(update, **fields))
    return FakeRecord(value, key=b"item-1", topic=topic, offset=offset, timestamp_ms=appended_at_ms)


def vector(made_at_ms: int) -> FakeRecord:
    key = vector_key("encoder", "1", "shelf/item-1").encode()
    value = ItemVector(2**63 + 5, (0.5, -0.25, 1.0)).encode()
    return FakeRecord(value, key=key, topic="item-vectors", timestamp_ms=made_at_ms)


def digest(made_at_ms: int, *, topic: str = "state-digests") -> FakeRecord:
    message = StateDigest(
        region="east",
        partition=3,
        slice=11,
        folded_to={"east": made_at_ms, "west": made_at_ms - 5},
        users=[UserDigest(user="kim", digest="0f" * 8, newest_ms=made_at_ms - 9)],
    )
    return FakeRecord(encode(message), topic=topic, timestamp_ms=made_at_ms)


def release(written_at_ms: int, *, topic: str = "model-releases") -> FakeRecord:
    message = ModelRelease(
        model="recommender",
        revision=4,
        region="east",
        url="file:///releases/recommender/{version}",
        hash="9c" * 32,
        served={
            "east": Served(version="3", canary=Canary(version="4", share=0.1)),
            "west": Served(version="3"),
        },
    )
    return FakeRecord(encode(message), topic=topic, timestamp_ms=written_at_ms)


def experiment(written_at_ms: int, *, topic: str = "experiments") -> FakeRecord:
    arms = [ExperimentArm(name="control", share=0.5), ExperimentArm(name="more-new", share=0.5)]
    message = Experiment(name="more-new", revision=2, region="east", surface="main", arms=arms)
    return FakeRecord(encode(message), topic=topic, timestamp_ms=written_at_ms)


def ownership(written_at_ms: int, *, topic: str = "region-ownership") -> FakeRecord:
    message = Ownership(
        origin="east",
        epoch=33,
        owner="west",
        past=[PastEpoch(epoch=16, owner="east", fences={0: written_at_ms - 7, 3: written_at_ms})],
        command_id="promote-1",
        reason="east is dark",
    )
    return owned(message, topic=topic, timestamp_ms=written_at_ms)


def owned(
    message: Ownership, *, topic: str = "region-ownership", timestamp_ms: int = 1_700_000_000_000
) -> FakeRecord:
    """Any record of ownership."""
    key = message.origin.encode()
    return FakeRecord(encode(message), key=key, topic=topic, timestamp_ms=timestamp_ms)


def one_of_each(now_ms: int) -> dict[topics.Topic, FakeRecord]:
    """A record of every archived topic."""
    return {
        topics.USER_EVENTS: event(now_ms),
        topics.RECOMMENDATIONS: slate(now_ms),
        topics.DEAD_LETTERS: letter(now_ms),
        topics.ITEM_UPDATES: item(now_ms),
        topics.ITEM_VECTORS: vector(now_ms),
        topics.STATE_DIGESTS: digest(now_ms),
        topics.MODEL_RELEASES: release(now_ms),
        topics.EXPERIMENTS: experiment(now_ms),
        topics.REGION_OWNERSHIP: ownership(now_ms),
    }
