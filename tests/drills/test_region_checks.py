"""The checks of two regions on logs made by hand: right ones pass, and each wrong one is found."""

from collections.abc import Iterator
from itertools import count
from typing import Any

import msgspec
import pytest

from schemas.codec import encode
from schemas.control import Ownership, PastEpoch
from schemas.identifiers import recommendation_id
from schemas.recommendations import (
    AnswerHeaders,
    Cause,
    CauseKey,
    MadeFrom,
    ReadFrom,
    Recommendation,
    SlateItem,
)
from tests.drills.check import mirrors, slates
from tests.drills.check.findings import Findings
from tests.drills.check.inputs import Feed, Inputs
from tests.drills.check.mirrors import Side, check_mirror
from tests.drills.check.owners import is_valid, owners
from tests.drills.check.readers import Given, check_answers, check_reader
from tests.streams.records import FakeRecord

INPUTS = Inputs(1, (Feed("user-events", "east"), Feed("west.user-events", "west")))
HOLDS = {
    "east": Ownership(
        origin="east", epoch=33, owner="west", command_id="c",
        past=[PastEpoch(epoch=16, owner="east", fences={0: 1_790_000_002_000})],
    ),
    "west": Ownership(origin="west", epoch=17, owner="west", command_id="c"),
}  # fmt: skip


class FakeLogs:
    """Topic -> the records of its only partition."""

    def __init__(self, topics: dict[str, list[FakeRecord]]) -> None:
        self.topics = topics

    def records(self, topic: str, partition: int, begin: int | None = None) -> Iterator[FakeRecord]:
        assert partition == 0
        yield from self.topics.get(topic, [])[begin or 0 :]

    def close(self) -> None:
        pass


def at(second: int) -> int:
    return 1_790_000_000_000 + 1000 * second


def ask(second: int, user: str = "kim", after_s: int = 0) -> FakeRecord:
    """`after_s`: sent so much later."""
    value = {
        "event_id": f"e{second}", "user_id": user, "kind": "click", "item_id": "i",
        "at_ms": at(second),
    }  # fmt: skip
    return FakeRecord(
        msgspec.json.encode(value),
        key=user.encode(),
        offset=second,
        timestamp_ms=at(second + after_s),
    )


def answer(second: int, epoch: int = 16, origin: str = "east", **changed: Any) -> FakeRecord:
    made = Recommendation(
        recommendation_id=recommendation_id("kim", f"e{second}", "main"),
        user_id="kim",
        surface="main",
        issued_at_ms=at(second) + 50,
        cause=Cause(
            event_id=f"e{second}", kind="click", at_ms=at(second), appended_at_ms=at(second)
        ),
        items=[],
        model=None,
        arms=[],
        fallback="unavailable",
        made_from=MadeFrom(state="s", catalogue="c", vectors="v", fold="f"),
        region="east",
        origin=origin,
        epoch=epoch,
        read_from=ReadFrom(cluster="east", topic="user-events", partition=0, offset=second),
    )
    made = msgspec.structs.replace(made, **changed)
    headers = AnswerHeaders(
        origin=origin, epoch=epoch, cause=CauseKey(at(second), f"e{second}", "main"),
        answered_before_ms=at(second),
    )  # fmt: skip
    return FakeRecord(
        msgspec.json.encode(made), offset=second, timestamp_ms=at(second), headers=headers.encode()
    )


def given(second: int, epoch: int = 16, at_s: float = 0.0) -> Given:
    identity = recommendation_id("kim", f"e{second}", "main")
    return Given(at_s, 0, "kim", "main", identity, "east", epoch, (at(second), f"e{second}"))


def judged(logs: FakeLogs, *handed: Given, knows_since_s: float = 5.0) -> set[str]:
    findings = Findings()
    check_reader("east", logs, INPUTS, handed, HOLDS, findings, knows_since_s=knows_since_s)
    assert findings.looked_at["asks at readers"] > 0
    return set(findings.counts)


RIGHT = {
    "user-events": [ask(1), ask(2), ask(3), ask(4)],
    "recommendations": [answer(1), answer(2), answer(3)],
    "west.recommendations": [answer(3, 33), answer(4, 33)],
}


def test_what_is_right_passes() -> None:
    """An answer behind the fence that went out before the reader could know is none that it took
    in spite of the fence.
    """
    logs = FakeLogs(RIGHT)
    handed = given(1), given(2), given(3, at_s=1.0), given(4, 33, at_s=9.0)
    assert judged(logs, *handed) == set()
    # One answer answers all before it.
    assert judged(logs, given(4, 33, at_s=9.0)) == set()


@pytest.mark.parametrize(
    ("handed", "wrong"),
    [
        ((given(1), given(2), given(3, 33)), "asks without an answer at a reader"),
        (
            (given(2), given(2), given(4, 33)),
            "ids that a reader was given twice",
        ),
        ((given(2), given(1), given(4, 33)), "slates after a newer one"),
        ((given(3, at_s=9.0), given(4, 33, at_s=9.0)), "slates of an ended epoch at a reader"),
        ((given(4, 33), given(5, 33)), "slates for nobody's ask"),
        ((given(4, 99, at_s=9.0),), "slates of an ended epoch at a reader"),
    ],
)
def test_what_a_reader_was_given_wrongly_is_found(handed: tuple[Given, ...], wrong: str) -> None:
    assert wrong in judged(FakeLogs(RIGHT), *handed)


def test_an_answer_of_an_ended_epoch_answers_nothing() -> None:
    """The reader was given the zombie's, the newest ask has no other."""
    logs = FakeLogs({**RIGHT, "west.recommendations": []})
    assert "asks without an answer at a reader" in judged(logs, given(3))


def test_repeated_and_ended_answers_are_counted() -> None:
    findings = Findings()
    assert check_answers(FakeLogs(RIGHT), INPUTS, HOLDS, findings) == 1
    assert not findings
    twice = {**RIGHT, "west.recommendations": [answer(3, 33), answer(3, 33)]}
    check_answers(FakeLogs(twice), INPUTS, HOLDS, findings)
    assert set(findings.counts) == {"repeated answers"}


def test_an_event_that_came_again_too_late_may_be_answered_again() -> None:
    """As one that a worker forwards again when it starts anew."""
    twice = {**RIGHT, "west.recommendations": [answer(3, 33), answer(3, 33)]}
    twice["user-events"] = [*RIGHT["user-events"], ask(3, after_s=121)]
    findings = Findings()
    check_answers(FakeLogs(twice), INPUTS, HOLDS, findings)
    assert not findings


def test_the_record_that_holds_is_of_the_highest_epoch_and_drains() -> None:
    def told(epoch: int, *, draining: bool = False, key: bytes = b"east") -> FakeRecord:
        record = Ownership(
            origin="east", epoch=epoch, owner="west", command_id="c", draining=draining
        )
        return FakeRecord(encode(record), key=key)

    unreadable = [FakeRecord(b"{"), told(99, key=b"west")]
    logs = FakeLogs({"one": [told(33, draining=True), told(16)], "other": [told(33), *unreadable]})
    held = owners(logs, ("one", "other"))["east"]
    assert (held.epoch, held.draining) == (33, True)
    fence_ms = HOLDS["east"].past[0].fences[0]
    assert is_valid("east", 16, 0, fence_ms, HOLDS)
    assert not is_valid("east", 16, 0, fence_ms + 1, HOLDS)
    assert not is_valid("east", 16, 1, fence_ms, HOLDS), "no fence there"
    assert not is_valid("north", 16, 0, fence_ms, HOLDS)


@pytest.fixture
def sides(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[FakeRecord]]:
    """Cluster -> what lies there."""
    there: dict[str, list[FakeRecord]] = {}
    monkeypatch.setattr(mirrors, "Logs", lambda bootstrap: FakeLogs({"t": there[bootstrap]}))
    monkeypatch.setattr(slates, "Logs", lambda b: FakeLogs({"recommendations": there[b]}))
    return there


@pytest.mark.parametrize(
    ("copies", "wrong"),
    [
        ([1, 2, 3], None),
        ([1, 3], "records that the mirror lost"),
        ([1, 2, 2, 3], "records that the mirror repeated"),
        ([1, 2, 3, 4], "records that were never at their source"),
        ([1, 3, 2], "mirrored records out of order"),
    ],
)
def test_what_a_mirror_did_to_a_log(
    sides: dict[str, list[FakeRecord]], copies: list[int], wrong: str | None
) -> None:
    sides |= {"source": [ask(n) for n in (1, 2, 3)], "target": [ask(n) for n in copies]}
    findings = Findings()
    check_mirror(Side("source", "t"), Side("target", "t"), 1, findings)
    assert findings.looked_at["mirrored records"] == 3
    assert set(findings.counts) == ({wrong} if wrong else set())


def items(*scores: float, first: int = 0) -> list[SlateItem]:
    names = count(first)
    return [
        SlateItem(item_id=f"i{next(names)}", score=s, position=p, source="ranker", propensity=1.0)
        for p, s in enumerate(scores)
    ]


@pytest.mark.parametrize(
    ("theirs", "is_equal"),
    [
        ({"items": items(0.9, 0.5)}, True),
        ({"items": items(0.9, 0.5)[::-1]}, False),
        ({"items": items(0.9, 0.5001)}, True),
        ({"items": items(0.9)}, False),
        ({"items": items(0.9, 0.5, first=7)}, False),
        ({"items": items(0.9, 0.4)}, False),
    ],
)
def test_slates_of_two_regions(
    sides: dict[str, list[FakeRecord]], theirs: dict[str, Any], *, is_equal: bool
) -> None:
    sides["e"] = [answer(1, items=items(0.9, 0.5))]
    sides["w"] = [answer(1, 17, "west", region="west", **theirs)]
    findings = Findings()
    found = slates.check_slates("ew", 1, findings)
    assert found == (1, 1, int(is_equal))
    assert bool(findings) is not is_equal


def test_slates_that_were_made_from_something_else_are_not_compared(
    sides: dict[str, list[FakeRecord]],
) -> None:
    other = MadeFrom(state="later", catalogue="c", vectors="v", fold="f")
    sides["e"] = [answer(1, items=items(0.9, 0.5))]
    sides["w"] = [answer(1, 17, "west", region="west", made_from=other)]
    findings = Findings()
    assert slates.check_slates("ew", 1, findings) == (1, 0, 0)
