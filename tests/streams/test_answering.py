"""Which asks are answered, and how long their scorer may take, without a broker or a Triton."""

import asyncio
import time
from collections.abc import Callable
from itertools import groupby
from typing import Any

import msgspec
import numpy as np
import pytest

from schemas.codec import encode
from schemas.control import ModelRelease, Ownership, Served
from schemas.events import Click
from schemas.identifiers import item_hash
from schemas.items import ItemVector, text_hash, vector_key
from schemas.recommendations import AnswerHeaders, Recommendation
from schemas.releases import TextSpace
from schemas.serving import MODEL
from schemas.state import EMPTY
from schemas.topics import ITEM_UPDATES, ITEM_VECTORS, MODEL_RELEASES, REGION_OWNERSHIP
from streams.catalogue.release_items import release_items
from streams.catalogue.vectors import NO_VECTORS, Version
from streams.lane.contract import Run
from streams.lane.forwarding import partition_of
from streams.region.copies import Copy
from streams.region.parity import compare_slates
from streams.scoring.candidates import Candidate, Scored
from streams.settings import Settings
from streams.stages.answering import Answer, Answered, Answering
from streams.stages.asks import Ask
from streams.stages.intake import Partition
from streams.stages.known import Known
from streams.stages.taken import Intake
from streams.state.fold import fold
from streams.state.store import Store
from streams.topology import RECOMMEND
from tests.streams.control_copies import copy_of
from tests.streams.records import FakeRecord

SETTINGS = Settings(peers=("west",))
KIM = partition_of("kim", SETTINGS.partitions)
ORIGINS = {"user-events": "east", "west.user-events": "west"}


class SilentTriton:
    """Stands for the scorer: nobody is scored in time."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        """Methods that were called."""

    def expects(self, _deadline_ms: float) -> bool:
        return True

    async def score(self, wanted: Any, _version: str, _deadline_ms: float) -> list[Scored]:
        self.asked.append("score")
        return [Scored([], "deadline")] * len(wanted)

    async def score_late(self, wanted: Any, *_: Any) -> list[Scored]:
        self.asked.append("score_late")
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


Answers = Callable[[Known, Any, list[FakeRecord]], Answered]


@pytest.fixture
def answers(store: Store) -> Answers:
    """What a batch of a partition's records comes to."""

    def answer(known: Known, scorer: Any, records: list[FakeRecord]) -> Answered:
        partition = Partition(KIM, store, SETTINGS, ORIGINS, now_s=0.0)
        partition.epochs = known.epochs()
        taken = Intake()
        for run in runs(records):
            partition.take(run, taken)
        answering = Answering(SETTINGS, known, scorer)
        asks = [*taken.asks.values()]
        return asyncio.run(
            answering.answer(
                KIM,
                partition.users.get,
                asks,
                partition.epochs,
                taken.first_appended_ms,
                partition.late,
            )
        )

    return answer


def runs(records: list[FakeRecord]) -> list[Run]:
    return [Run(topic, list(run)) for topic, run in groupby(records, FakeRecord.topic)]


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


def test_the_newest_ask_of_a_surface_answers_those_before_it(answers: Answers) -> None:
    records = [click("a", 30), click("b", 20, surface="home"), click("c", 10)]
    found = answers(knowing("east"), SilentTriton(), records).answers
    assert [recommendation(answer).cause.event_id for answer in found] == ["c", "b"]
    headers = AnswerHeaders.decode(list(found[0].record.headers))
    assert headers.answered_before_ms == records[0].timestamp()[1]
    assert headers.cause.appended_at_ms == records[2].timestamp()[1]


def test_asks_at_the_same_time_are_ordered_by_their_event_id(answers: Answers) -> None:
    late, early = click("b"), click("a")
    late._timestamp_ms = early._timestamp_ms
    found = answers(knowing("east"), SilentTriton(), [late, early]).answers
    assert [recommendation(answer).cause.event_id for answer in found] == ["b"]


@pytest.mark.parametrize(("owned", "answered"), [("east", "a"), ("west", "b")])
def test_only_asks_of_an_origin_that_is_owned_are_answered(
    owned: str, answered: str, answers: Answers
) -> None:
    records = [click("a"), click("b", topic="west.user-events")]
    (found,) = answers(knowing(owned), SilentTriton(), records).answers
    assert recommendation(found).cause.event_id == answered
    assert recommendation(found).origin == owned


def test_without_an_owner_nothing_is_answered(answers: Answers) -> None:
    assert answers(knowing(), SilentTriton(), [click("a")]) == ([], [])


def test_an_ask_that_is_late_and_not_scored_stays_due(answers: Answers) -> None:
    scorer = SilentTriton()
    records = [click("old", 10_000, surface="home"), click("new")]
    found = answers(knowing("east"), scorer, records)
    (answer,) = found.answers
    assert recommendation(answer).cause.event_id == "new"
    assert recommendation(answer).fallback == "deadline"
    assert [ask.event.event_id for ask in found.due] == ["old"]
    assert sorted(scorer.asked) == ["score", "score_late"]


def test_who_has_no_history_is_cold_and_costs_no_request(answers: Answers) -> None:
    scorer = SilentTriton()
    (found,) = answers(
        knowing("east"), scorer, [click("a", 10_000, kind="request", item_id="i1")]
    ).answers
    assert recommendation(found).fallback == "cold_user"
    assert recommendation(found).model is None
    assert not scorer.asked


class NearTheEast(SilentTriton):
    """The model finds nothing, and says where users lie if that is wanted."""

    async def score(self, wanted: Any, *_: Any) -> list[Scored]:
        east = np.array([1, 0], np.float32)
        return [Scored([], vector=east if one.with_vector else None) for one in wanted]


def selling(known: Known, *items: str, space: TextSpace | None) -> None:
    """Items that version 1 does not know, with a vector each."""
    known.catalogue.use_releases([release_items(MODEL, "1", "digest", [], space)])
    for offset, item in enumerate(items):
        update = {"item_id": item, "title": item, "at_ms": 1}
        known.catalogue.apply(
            copy_of(msgspec.json.encode(update), key=item, topic=ITEM_UPDATES.name, offset=offset)
        )
        vector = ItemVector(text_hash(item), (1.0, 0.0)).encode()
        known.vectors.apply(
            copy_of(vector, key=vector_key(MODEL, "1", item), topic=ITEM_VECTORS.name)
        )


def test_items_newer_than_the_release_are_compared_with_the_user(answers: Answers) -> None:
    known = knowing("east")
    selling(known, "new", space=TextSpace(encoder="hashed", dim=2, slope=2.0, offset=-0.5))
    (found,) = answers(known, NearTheEast(), [click("a")]).answers
    (item,) = recommendation(found).items
    assert (item.item_id, item.score, item.source) == ("new", 1.5, "new")
    assert recommendation(found).fallback is None
    vectors = recommendation(found).made_from.vectors
    assert vectors == known.vectors.digest(Version(MODEL, "1")) != NO_VECTORS


@pytest.mark.parametrize("space", [None, TextSpace(encoder="hashed", dim=3, slope=1.0, offset=0.0)])
def test_without_a_space_for_them_nothing_is_asked_and_nothing_shown(
    space: TextSpace | None, answers: Answers
) -> None:
    known = knowing("east")
    selling(known, "new", space=space)
    (found,) = answers(known, NearTheEast(), [click("a")]).answers
    assert not recommendation(found).items
    assert recommendation(found).made_from.vectors == NO_VECTORS


def test_a_fallback_is_made_from_no_vectors(answers: Answers) -> None:
    known = knowing("east")
    selling(known, "new", space=TextSpace(encoder="hashed", dim=2, slope=2.0, offset=0.0))
    (found,) = answers(known, SilentTriton(), [click("a")]).answers
    assert recommendation(found).fallback == "deadline"
    assert [item.source for item in recommendation(found).items] == ["popular"]
    assert recommendation(found).made_from.vectors == NO_VECTORS


def test_a_sample_is_the_slate_that_would_have_been_published(answers: Answers) -> None:
    """The same ask of the same state, answered by an owner and sampled by a standby."""

    class Triton(SilentTriton):
        async def score(self, wanted: Any, *_: Any) -> list[Scored]:
            return [Scored([Candidate(item_hash("i1"), 0.5, "transitions")]) for _ in wanted]

        async def score_late(self, wanted: Any, *_: Any) -> list[Scored]:
            return await self.score(wanted)

    for scorer, fallback in ((Triton(), None), (SilentTriton(), "deadline")):
        known = knowing("east")
        known.catalogue.apply(
            Copy(
                ITEM_UPDATES.name, "east", 0, 0, 1, b"i1",
                msgspec.json.encode({"item_id": "i1", "title": "One", "at_ms": 1}), [],
            )
        )  # fmt: skip
        record = click("a")
        (found,) = answers(known, scorer, [record]).answers
        published = recommendation(found)
        answering = Answering(SETTINGS, known, scorer)
        event = msgspec.json.decode(record.value() or b"", type=Click)
        ask = Ask(event, "east", record.timestamp()[1], "user-events", 0)
        state = fold(EMPTY, event, record.timestamp()[1])
        sampled = asyncio.run(answering.sample([answering.plan(ask, state)]))
        assert sampled[0].fallback == published.fallback == fallback
        assert compare_slates(sampled, [published]) == (1, 1, 1, 1, frozenset())
        assert [item.item_id for item in sampled[0].items] == [
            item.item_id for item in published.items
        ]
