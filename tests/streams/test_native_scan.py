"""What compiled code takes for a plain record is one, and it reads in it what msgspec reads.

Skipped where nothing was compiled: `python -m streams.native` does it.
"""

from random import Random
from typing import Any

import msgspec
import pytest
import xxhash
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.codec import DAY_MS, EARLIEST_MS, LATEST_MS, EventDecoder
from schemas.events import KINDS, AnyEvent
from schemas.state import EMPTY, UserState
from schemas.topics import MAX_EVENT_BYTES
from streams import native as compiled
from streams.lane.forwarding import murmur2
from streams.state.fold import fold
from tests.streams.plain_records import NOW_MS, fields, message, mutated, written

pytestmark = pytest.mark.skipif(
    compiled.unavailable() is not None, reason=str(compiled.unavailable())
)
ALL_KINDS = (1 << len(KINDS)) - 1


class Taken:
    """What compiled code made of one record, by itself."""

    def __init__(self, value: bytes | None, appended_at_ms: int = NOW_MS, **record: Any) -> None:
        native = compiled.native()
        self.users = native.HotStates(UserState, EMPTY.maps)
        self.recent, self.newest = native.RecentAsks(), native.NewestAsks(False)
        for user_id in _users(value):
            self.users.put(user_id, EMPTY)
        reading = native.Reading(
            self.users, self.newest, lambda *ask: ask, self.recent, asking=ALL_KINDS
        )
        records = [message(value, appended_at_ms=appended_at_ms, **record)]
        self.is_plain = reading.take(records, 0) == 1

    def check(self, event: AnyEvent, value: bytes, appended_at_ms: int) -> None:
        user_id, event_id, surface = event.user_id, event.event_id, event.surface
        assert self.users.peek(user_id) == fold(EMPTY, event, appended_at_ms)
        ask = compiled.native().recent_ask(user_id, event_id, surface)
        assert self.recent.knows(ask, appended_at_ms)
        assert [taken[1:] for taken in self.newest.take()] == [(value, appended_at_ms, 0)]


def _users(value: bytes | None) -> list[str]:
    try:
        return [str(msgspec.json.decode(value or b"")["user_id"])]
    except (msgspec.MsgspecError, KeyError, TypeError, ValueError):
        return ["ann"]


def check(value: bytes, appended_at_ms: int = NOW_MS) -> bool:
    """Whether it is plain; then Python reads the same in it."""
    taken = Taken(value, appended_at_ms)
    if taken.is_plain:
        decoder = EventDecoder()
        event = decoder.decode_event(value, None, appended_at_ms)
        assert decoder.unknown_fields == 0
        taken.check(event, value, appended_at_ms)
    return taken.is_plain


def test_the_hash_is_that_of_the_library_at_every_length() -> None:
    content = Random(1).randbytes(240)
    for size in range(241):
        assert compiled.native().hash(content[:size]) == xxhash.xxh3_64_intdigest(content[:size])
    with pytest.raises(ValueError, match="240"):
        compiled.native().hash(b"x" * 241)


def test_keys_are_placed_as_kafka_places_them() -> None:
    random = Random(2)
    for size in range(140):
        for letters in ("abcdefgh", "äöü€"):
            key = "".join(random.choices(letters, k=size))
            assert compiled.native().place(key) == murmur2(key.encode()) & 0x7FFFFFFF


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "erase"])
def test_events_as_producers_write_them_are_plain(kind: str) -> None:
    random, seen = Random(3), 0
    while seen < 20:
        event = fields(random, NOW_MS)
        if event["kind"] == kind and all(str(value).isascii() for value in event.values()):
            if len(event.get("item_id", "")) > 240:
                continue
            seen += 1
            assert check(msgspec.json.encode(event)), event


@settings(max_examples=3_000, deadline=None, database=None)
@given(st.integers(0, 2**48))
def test_what_is_mutated_is_read_alike_or_left_to_python(seed: int) -> None:
    random = Random(seed)
    value = written(random, fields(random, NOW_MS))
    check(value)
    check(mutated(random, value))


@settings(max_examples=300, deadline=None, database=None)
@given(st.binary(max_size=80))
def test_any_bytes_are_read_alike_or_left_to_python(value: bytes) -> None:
    check(value)


def click(**more: Any) -> bytes:
    event = {"event_id": "e", "user_id": "ann", "kind": "click", "at_ms": NOW_MS, "item_id": "i"}
    return msgspec.json.encode(event | more)


def test_the_times_of_the_codec_bound_what_is_plain() -> None:
    assert check(click(at_ms=EARLIEST_MS))
    assert not check(click(at_ms=EARLIEST_MS - 1))
    assert check(click(at_ms=NOW_MS + DAY_MS))
    assert not check(click(at_ms=NOW_MS + DAY_MS + 1))
    assert check(click(), LATEST_MS - 1)
    assert not check(click(), LATEST_MS)


@pytest.mark.parametrize(
    ("name", "most"), [("event_id", 64), ("user_id", 128), ("surface", 64), ("item_id", 240)]
)
def test_texts_are_bounded(name: str, most: int) -> None:
    assert check(click(**{name: "x" * most}))
    assert not check(click(**{name: "x" * (most + 1)}))
    assert not check(click(**{name: ""}))


@pytest.mark.parametrize(
    "value",
    [
        None,
        click(session_id="s" * MAX_EVENT_BYTES),
        click(colour="red"),
        click(price=1),
        click(session_id="é"),
        click(session_id='"'),
        click().replace(b"click", b"erase"),
        click().replace(b"}", b',"limit":5,"limit":6}'),
        click().replace(b'"i"', b"null"),
        b" " + click() + b"\n",
        click() + b"{}",
        b"",
    ],
)
def test_what_is_odd_is_left_to_python(value: bytes | None) -> None:
    assert not Taken(value).is_plain


def test_headers_are_odd() -> None:
    assert Taken(click()).is_plain
    assert not Taken(click(), headers=[("producer", b"shop")]).is_plain


@pytest.mark.parametrize("value", ["0", "0.1", "2.5", "3", "4.999999999", "123456789012.25"])
@pytest.mark.parametrize("scale", ["5", "5.0", "0.3", "10", "99999.125"])
def test_ratings_round_as_python_rounds(value: str, scale: str) -> None:
    rating = click(kind="rating").decode().replace("}", f',"value":{value},"scale":{scale}}}')
    assert check(rating.encode())
