"""The pass over a batch: states, asks, dead letters, forwarded records, neighbours unharmed."""

from typing import Any

import msgspec
import pytest

from schemas.codec import EventDecoder, Reason
from schemas.topics import MAX_EVENT_BYTES
from streams.lane import dead_letters
from streams.lane.forwarding import partition_of
from streams.stages.intake import Intake, Partition
from tests.streams.records import FakeRecord

PARTITIONS = 4
NOW_MS = 1_700_000_000_000
ORIGINS = {"user-events": "east", "west.user-events": "west"}
KIM = partition_of("kim", PARTITIONS)


def partition(number: int = KIM) -> Partition:
    return Partition(number, PARTITIONS, ORIGINS, "east", {"click", "request"}, EventDecoder())


def event(**fields: Any) -> bytes:
    whole = {
        "event_id": "e1",
        "user_id": "kim",
        "kind": "click",
        "item_id": "i1",
        "at_ms": NOW_MS,
    } | fields
    return msgspec.json.encode({name: value for name, value in whole.items() if value is not None})


def take(value: bytes | None, where: Partition | None = None, **record: Any) -> Intake:
    return (where or partition()).take([FakeRecord(value, **record)])


REFUSED = {
    Reason.NULL_VALUE: None,
    Reason.NOT_JSON: b"{",
    Reason.NOT_UTF8: b'{"event_id":"\xff"}',
    Reason.WRONG_TYPE: event(at_ms="now"),
    Reason.MISSING_FIELD: event(item_id=None),
    Reason.UNKNOWN_KIND: event(kind="teleport"),
    Reason.OUT_OF_BOUNDS: event(user_id="u" * 129),
    Reason.TIME_NEGATIVE: event(at_ms=-1),
    Reason.TIME_IN_SECONDS: event(at_ms=NOW_MS // 1000),
    Reason.TIME_AHEAD: event(at_ms=NOW_MS + 86_400_001),
    Reason.TOO_LARGE: event(session_id="s" * MAX_EVENT_BYTES),
}


@pytest.mark.parametrize("reason", REFUSED)
def test_what_is_refused_is_dead_lettered_and_its_neighbours_are_taken(reason: Reason) -> None:
    held = partition()
    good = [FakeRecord(event(event_id=name), offset=at) for at, name in ((1, "a"), (3, "b"))]
    bad = FakeRecord(REFUSED[reason], offset=2, key=b"k", headers=[("mine", b"x")])
    taken = held.take([good[0], bad, good[1]])
    assert [ask.event.event_id for ask in taken.asks] == ["a", "b"]
    assert taken.refused == [("user-events", reason)]
    (letter,) = taken.dead_letters
    headers = dict(letter.headers)
    assert headers[dead_letters.REASON] == reason.encode()
    assert headers[dead_letters.OFFSET] == b"2"
    assert headers["mine"] == b"x"
    assert letter.key == b"k"
    if reason is not Reason.TOO_LARGE:
        assert letter.value == REFUSED[reason]


def test_a_huge_value_is_cut_and_its_size_and_hash_are_kept() -> None:
    value = event(session_id="s" * (5 * 1024 * 1024))
    (letter,) = take(value).dead_letters
    headers = dict(letter.headers)
    assert letter.value == value[: dead_letters.CUT_BYTES]
    assert headers[dead_letters.BYTES] == str(len(value)).encode()
    assert len(headers[dead_letters.HASH]) == 32


def test_a_newer_version_is_refused_by_its_header() -> None:
    taken = take(event(), headers=[("schema", b"user-event/2")])
    assert taken.refused == [("user-events", Reason.NEWER_VERSION)]


def test_the_value_and_not_the_key_says_whose_event_it_is() -> None:
    held = partition()
    taken = take(event(), held, key=b"somebody else")
    assert not taken.forward
    assert "kim" in held.users


def test_a_misplaced_record_is_forwarded_and_not_folded() -> None:
    wrong = partition((KIM + 1) % PARTITIONS)
    taken = take(event(), wrong, headers=[("producer", b"kcat")])
    assert len(wrong.users) == 0
    assert not taken.asks
    (sent,) = taken.forward
    assert (sent.partition, sent.key) == (KIM, b"kim")
    assert taken.forwarded_for == ["kcat"]


def test_a_mirrored_misplaced_record_is_left_to_its_own_region() -> None:
    wrong = partition((KIM + 1) % PARTITIONS)
    taken = take(event(), wrong, topic="west.user-events")
    assert not taken.forward
    assert len(wrong.users) == 0


def test_an_event_read_twice_changes_no_state() -> None:
    held = partition()
    take(event(), held)
    once = held.users.digest("kim")
    take(event(), held)
    assert held.users.digest("kim") == once


def test_replay_makes_the_same_states_and_remembers_recent_asks() -> None:
    records = [FakeRecord(event(event_id=f"e{n}", item_id=f"i{n}"), offset=n) for n in range(60)]
    first, second = partition(), partition()
    first.take(records)
    second.replay([*records, FakeRecord(b"{"), FakeRecord(event(user_id="not here"))])
    assert second.users.whole_digest() == first.users.whole_digest()
    assert second.recent.answered("kim", "e59", "main", NOW_MS)
    assert not second.recent.answered("kim", "e59", "main", NOW_MS + 120_001)


def test_an_unknown_field_is_ignored() -> None:
    taken = take(event(shiny="new"))
    assert len(taken.asks) == 1
    assert not taken.refused
