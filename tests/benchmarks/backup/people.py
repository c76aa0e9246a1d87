"""States of users as a shop has them, from a seed: most know little, some are full."""

from collections.abc import Iterator
from random import Random

from confluent_kafka import Producer

from schemas.state import (
    USER_KEY_PREFIX,
    UserState,
    pack_interaction,
    pack_mark,
)
from schemas.topics import STATE_CHANGELOG
from streams.lane.forwarding import partition_of
from streams.settings import Settings
from tests.benchmarks.problems import BenchmarkError

_START_MS = 1_700_000_000_000
_MEAN_ENTRIES = 10.0
"""Of the history, and as many impressions: about 450 bytes a user."""
_MOST = 50
_WAIT_S = 120.0


def people(count: int) -> Iterator[tuple[str, bytes]]:
    """(user_id, encoded state)."""
    random = Random(7)
    for number in range(count):
        entries = min(_MOST, 1 + int(random.expovariate(1 / _MEAN_ENTRIES)))
        times = sorted(random.sample(range(10**9), entries))
        history = b"".join(
            pack_interaction(_START_MS + at, random.getrandbits(64), 1 + at % 8, 0, item)
            for at, item in ((at, random.getrandbits(64)) for at in times)
        )
        seen = b"".join(pack_mark(_START_MS + at, random.getrandbits(64), 1) for at in times)
        state = UserState(0, _START_MS + times[-1], history, (b"", seen, b"", b"", b""))
        yield f"user-{number:08}", state.encode()


def write(settings: Settings, count: int) -> int:
    """Into the changelog, as a worker would; the bytes of the states."""
    producer = Producer(
        {"bootstrap.servers": settings.kafka, "linger.ms": 5, "compression.type": "lz4"}
    )
    size_bytes = 0
    for user_id, state in people(count):
        size_bytes += len(state)
        key, partition = (
            USER_KEY_PREFIX + user_id.encode(),
            partition_of(user_id, settings.partitions),
        )
        while True:
            try:
                producer.produce(STATE_CHANGELOG.name, state, key, partition)
                break
            except BufferError:
                producer.poll(0.1)
        producer.poll(0)
    if producer.flush(_WAIT_S):
        raise BenchmarkError("the broker did not take all states")
    return size_bytes
