"""Records for the tests of the compiled hot path: real Messages, plain ones and all that is odd.

They come from a seed and small sets, so that copies of one event differ, times tie, and the
tables meet users whom they know, knew and never saw.
"""

import json
from random import Random
from typing import Any

import msgspec
from confluent_kafka import Message

from schemas.events import KINDS

NOW_MS = 1_700_000_000_000
USERS = ("ann", "bob", "cat", "jürg", "u" * 128, "dan-0000000000000000000000001", "e")
SURFACES = (None, None, None, "main", "home", "s" * 64)
TOPICS = ("user-events", "west.user-events")


def message(
    value: bytes | None,
    *,
    topic: str = TOPICS[0],
    offset: int = 0,
    appended_at_ms: int = NOW_MS,
    headers: list[tuple[str, bytes]] | None = None,
) -> Message:
    return Message(topic, 0, offset, b"key", value, headers, None, (1, appended_at_ms))


def fields(random: Random, at_ms: int) -> dict[str, Any]:
    """An event as it should be, of any kind."""
    kind = random.choice(KINDS)
    event: dict[str, Any] = {
        "event_id": f"{random.randrange(60):x}" * random.choice((1, 1, 2, 5, 16)),
        "user_id": random.choice(USERS),
        "kind": kind,
        "at_ms": at_ms + random.choice((0, 0, -1, 1_000, -90_000, 10**6, -(10**9))),
    }
    item = f"item-{random.randrange(40)}" * random.choice((1, 1, 3, 20))
    if kind in {"follow", "unfollow"}:
        event["followed_user_id"] = random.choice(USERS)
    elif kind not in {"search", "chat", "request", "erase"}:
        event["item_id"] = item
    event |= {
        "purchase": {"quantity": random.choice((1, 2, 65_535, 65_536, 10**6)), "price": 9.99},
        "rating": {
            "value": random.choice((0, 1, 2.5, 5, 4.999, 0.1, 7.25, 1234567.5)),
            "scale": random.choice((5, 5.0, 3, 10.5, 0.3)),
        },
        "impression": {"recommendation_id": "r", "epoch": 16, "position": random.randrange(10)},
        "search": {"query": "red shoes"},
        "chat": {"text": "hello, who is there?"},
    }.get(kind, {})
    if (surface := random.choice(SURFACES)) is not None:
        event["surface"] = surface
    if random.random() < 0.3:
        event["limit"] = random.choice((1, 10, 100, None))
    if random.random() < 0.3:
        event["session_id"] = random.choice(("s" * 60, "", None))
    if random.random() < 0.2:
        event["context"] = random.choice(
            (None, {}, {"locale": "de-CH"}, {"device": None, "locale": "en"})
        )
    return event


def _spoilt(random: Random, event: dict[str, Any]) -> dict[str, Any]:
    """Odd in one field, if it is odd at all."""
    name = random.choice([*event, "colour", "price", "text", "epoch"])
    value = random.choice(
        (
            None,
            True,
            "",
            "x" * 300,
            0,
            -1,
            1.0,
            5e20,
            101,
            [1],
            {"a": 1},
            "é",
            'a"b',
            "a\\n",
            "\x7f",
        )
    )
    return event | {name: value}


def written(random: Random, event: dict[str, Any]) -> bytes:
    """As producers write it: compact or not, escaped or not, in any order."""
    if random.random() < 0.3:
        event = dict(random.sample(list(event.items()), len(event)))
    style = random.random()
    if style < 0.6:
        return msgspec.json.encode(event)
    if style < 0.9:
        return json.dumps(event, ensure_ascii=style < 0.8).encode()
    return json.dumps(event, indent=random.choice((None, 1))).encode()


_TOKENS = (
    b'"', b"\\", b"{", b"}", b",", b":", b" ", b"\t", b"\n", b"\x00", b"\x7f", b"\xc3\xa9", b"null",
    b"true", b"0", b"-0", b"1e3", b".5", b"00", b"1.", b"9" * 19, b"9" * 16, b"kind", b"click",
    b'"at_ms":1,', b'"limit":5,', b"[]", b"\\u0041",
)  # fmt: skip


def mutated(random: Random, value: bytes) -> bytes:
    """The same with some bytes gone, doubled, or others put in their place."""
    for _ in range(random.choice((1, 1, 1, 2, 4))):
        begin = random.randrange(len(value) + 1)
        end = min(len(value), begin + random.choice((0, 0, 1, 1, 2, 8)))
        inside = random.choice((b"", bytes([random.randrange(256)]), random.choice(_TOKENS)))
        if random.random() < 0.2:
            inside = value[begin:end] * 2
        value = value[:begin] + inside + value[end:]
    return value


def record(random: Random, offset: int, appended_at_ms: int, topic: str) -> Message:
    """Mostly plain."""
    event = fields(random, appended_at_ms)
    if (oddity := random.random()) < 0.1:
        event = _spoilt(random, event)
    value: bytes | None = written(random, event)
    if 0.1 <= oddity < 0.13:
        value = mutated(random, value or b"")
    if 0.13 <= oddity < 0.14:
        value = None
    headers = None
    if 0.14 <= oddity < 0.18:
        headers = [("schema", random.choice((b"user-event/1", b"user-event/2")))]
    if 0.18 <= oddity < 0.19:
        appended_at_ms = random.choice((0, -1, 10**14, 10**13))
    return message(
        value, topic=topic, offset=offset, appended_at_ms=appended_at_ms, headers=headers
    )
