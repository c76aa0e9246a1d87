"""The events of a benchmark: clicks of 188 bytes of JSON, users drawn uniformly.

Uniform is the harder way to draw them: hardly a user occurs twice in a batch, so hardly a slate is
saved, and no user's state stays in a processor's cache. A click asks for a slate and enters the
history; its surface is left to the default, as most producers do. The same numbers give the same
events but for their times.
"""

import random
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from confluent_kafka import KafkaError, Message, Producer

from schemas.topics import USER_EVENTS
from tests.benchmarks.problems import BenchmarkError

EVENT_BYTES = 188
_ITEMS = 10_000
_SEED = 9
_FLUSH_S = 120.0
_TEMPLATE = (
    '{"event_id":"%032x","user_id":"user-%07d","kind":"click","at_ms":%013d,'
    '"item_id":"item-%05d","session_id":"%s"}'
)
_FILL = "s" * (EVENT_BYTES - len(_TEMPLATE % (0, 0, 0, 0, "")))


@dataclass(frozen=True)
class Load:
    """How many events of how many users in how many partitions."""

    events: int = 1_000_000
    users: int = 50_000
    partitions: int = 4
    seed: int = 0
    """Of ids and items; the users are drawn alike whatever it is."""


def user_events(load: Load) -> Iterator[tuple[bytes, bytes]]:
    """(key, value) of each event, a millisecond apart, the last one now."""
    users = random.Random(_SEED)
    return _events((users.randrange(load.users) for _ in range(load.events)), load)


def each_user_once(load: Load) -> Iterator[tuple[bytes, bytes]]:
    """The same, an event of each user, as many events as users."""
    return _events(range(load.users), load)


def _events(users: Iterable[int], load: Load) -> Iterator[tuple[bytes, bytes]]:
    chosen = random.Random(_SEED + 1 + load.seed)
    first_ms = time.time_ns() // 1_000_000 - load.events
    for number, user in enumerate(users):
        yield b"user-%07d" % user, user_event(number, user, first_ms + number, chosen)


def user_event(number: int, user: int, at_ms: int, chosen: random.Random) -> bytes:
    """One click; `number` and the random source make its id and its item."""
    event_id = chosen.getrandbits(96) << 32 | number
    item = chosen.randrange(_ITEMS)
    return (_TEMPLATE % (event_id, user, at_ms, item, _FILL)).encode()


def produce(bootstrap: str, records: Iterable[tuple[bytes, bytes]]) -> None:
    """All of them, placed by murmur2; returns when the broker has acknowledged them.

    Uncompressed: stock Faust's driver reads no compression without more packages, and what a
    producer chose is no engine's merit.
    """
    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "partitioner": "murmur2_random",
            "linger.ms": 50,
            "batch.size": 500_000,
            "queue.buffering.max.messages": 200_000,
            "enable.idempotence": True,
        }
    )
    failed: list[KafkaError] = []

    def told(error: KafkaError | None, _: Message) -> None:
        if error is not None:
            failed.append(error)

    for key, value in records:
        while True:
            try:
                producer.produce(USER_EVENTS.name, value, key, on_delivery=told)
                break
            except BufferError:
                producer.poll(0.1)
        producer.poll(0)
    left = producer.flush(_FLUSH_S)
    if left or failed:
        reason = failed[0] if failed else "no answer from the broker"
        raise BenchmarkError(f"{left + len(failed)} events were not taken: {reason}")
