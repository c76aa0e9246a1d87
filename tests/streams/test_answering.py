"""Which asks are answered, and how long their scorer may take, without a broker or a Triton."""

import asyncio
import time
from typing import Any

import msgspec
import pytest

from schemas.codec import EventDecoder, encode
from schemas.control import ModelRelease, Ownership, Served
from schemas.recommendations import AnswerHeaders, Recommendation
from schemas.serving import MODEL
from schemas.topics import MODEL_RELEASES, REGION_OWNERSHIP
from streams.lane.forwarding import partition_of
from streams.region.copies import Copy
from streams.scoring.candidates import Scored
from streams.settings import Settings
from streams.stages.answering import Answer, Answering
from streams.stages.intake import Partition
from streams.stages.known import Known
from streams.topology import RECOMMEND
from tests.streams.records import FakeRecord

SETTINGS = Settings(peers=("west",))
KIM = partition_of("kim", SETTINGS.partitions)
ORIGINS = {"user-events": "east", "west.user-events": "west"}


class Patience:
    """Stands for Triton: knows nothing, and remembers how long it might have taken."""

    def __init__(self) -> None:
        self.deadlines_ms: list[float] = []

    async def score(self, wanted: Any, _version: str, deadline_ms: float) -> list[Scored]:
        self.deadlines_ms.append(deadline_ms)
        return [Scored([], "deadline")] * len(wanted)


def knowing(*owned: str) -> Known:
    known = Known(RECOMMEND, SETTINGS)
    for origin in owned:
        record = Ownership(origin=origin, epoch=16, owner="east", command_id="test")
        known.ownerships.apply(
            Copy(REGION_OWNERSHIP.name, "east", 0, 0, 0, origin.encode(), encode(record), [])
        )
    release = ModelRelease(
        model=MODEL,
        revision=1,
        region="east",
        url="",
        hash="",
        served={"east": Served(version="1")},
    )
    known.releases.apply(
        Copy(MODEL_RELEASES.name, "east", 0, 0, 0, MODEL.encode(), encode(release), [])
    )
    return known


def answers(known: Known, scorer: Any, records: list[FakeRecord]) -> list[Answer]:
    partition = Partition(
        KIM, SETTINGS.partitions, ORIGINS, "east", {"click", "request"}, EventDecoder()
    )
    answering = Answering(SETTINGS, known, scorer)
    taken = partition.take(records)
    asks = answering.open_asks(partition, taken)
    return asyncio.run(answering.answer(partition, asks, taken.first_appended_ms))


def click(event_id: str, age_ms: int = 0, topic: str = "user-events", **fields: Any) -> FakeRecord:
    appended_at_ms = time.time_ns() // 1_000_000 - age_ms
    event = {
        "event_id": event_id,
        "user_id": "kim",
        "kind": "click",
        "item_id": "i1",
        "at_ms": appended_at_ms,
    } | fields
    return FakeRecord(msgspec.json.encode(event), topic=topic, timestamp_ms=appended_at_ms)


def recommendation(answer: Answer) -> Recommendation:
    return msgspec.json.decode(answer.record.value or b"", type=Recommendation)


def test_the_newest_ask_of_a_surface_answers_those_before_it() -> None:
    records = [click("a", 30), click("b", 20, surface="home"), click("c", 10)]
    found = answers(knowing("east"), Patience(), records)
    assert [recommendation(answer).cause.event_id for answer in found] == ["b", "c"]
    headers = AnswerHeaders.decode(list(found[1].record.headers))
    assert headers.answered_before_ms == records[0].timestamp()[1]
    assert headers.cause.appended_at_ms == records[2].timestamp()[1]


def test_asks_at_the_same_time_are_ordered_by_their_event_id() -> None:
    late, early = click("b"), click("a")
    late._timestamp_ms = early._timestamp_ms
    found = answers(knowing("east"), Patience(), [late, early])
    assert [recommendation(answer).cause.event_id for answer in found] == ["b"]


@pytest.mark.parametrize(("owned", "answered"), [("east", "a"), ("west", "b")])
def test_only_asks_of_an_origin_that_is_owned_are_answered(owned: str, answered: str) -> None:
    records = [click("a"), click("b", topic="west.user-events")]
    (found,) = answers(knowing(owned), Patience(), records)
    assert recommendation(found).cause.event_id == answered
    assert recommendation(found).origin == owned


def test_without_an_owner_nothing_is_answered() -> None:
    assert not answers(knowing(), Patience(), [click("a")])


def test_a_deadline_belongs_to_an_ask_and_late_asks_have_a_longer_one() -> None:
    scorer = Patience()
    answers(knowing("east"), scorer, [click("a", 60)])
    answers(knowing("east"), scorer, [click("b", 10_000)])
    fresh_ms, late_ms = scorer.deadlines_ms
    assert fresh_ms <= SETTINGS.score_deadline_ms - 60
    assert late_ms == SETTINGS.late_deadline_ms


def test_who_has_no_history_is_cold_and_costs_no_request() -> None:
    scorer = Patience()
    (found,) = answers(knowing("east"), scorer, [click("a", kind="request", item_id="i1")])
    assert recommendation(found).fallback == "cold_user"
    assert recommendation(found).model is None
    assert not scorer.deadlines_ms
