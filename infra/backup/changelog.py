"""The states of a region as its changelog holds them, read from outside: no worker takes part.

Read read_committed and one partition at a time into a scratch store, so that of each key the
newest is left and memory stays bounded. Called for the region that is backed up, and for a peer
whose states are joined in. Never joins a group and never writes to Kafka.
"""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

from confluent_kafka import KafkaException, TopicPartition

from infra import broker
from infra.backup.problems import BackupError
from infra.broker import BrokerError
from schemas.state import BOUNDS_VERSION, FORMATS, UserState
from schemas.topics import STATE_CHANGELOG
from streams.lane import clients, positions
from streams.lane.checkpoint import READ_MARKERS
from streams.settings import Settings
from streams.state.store import Change, Store

_TOGETHER_BYTES = 4 * 1024 * 1024
Read = Callable[[int], None]
"""Told how many records were read since it was told last."""


class Span(NamedTuple):
    """What was read of a partition: [begin, end)."""

    begin: int
    end: int


@contextmanager
def scratch(name: str) -> Iterator[Store]:
    """An empty store that goes with the block."""
    with tempfile.TemporaryDirectory(prefix="tidemill-") as folder:
        store = Store(Path(folder) / "store", name)
        try:
            yield store
        finally:
            store.close()


def bounds(settings: Settings) -> dict[int, Span]:
    """Of each partition of the changelog, its first offset and the one behind its last. Raises
    BrokerError.
    """
    broker.require(settings, [STATE_CHANGELOG.name])
    with closing(broker.reader(settings)) as consumer:
        starts = broker.partitions(consumer, [STATE_CHANGELOG.name])
        return {
            part.partition: Span(part.offset, clients.watermarks(consumer, part)[1])
            for part in starts
        }


def topic_id(settings: Settings) -> str:
    return positions.topic_ids(settings, [STATE_CHANGELOG.name])[STATE_CHANGELOG.name]


def read_into(
    store: Store, settings: Settings, partition: int, span: Span, read: Read = lambda _: None
) -> Span:
    """Every committed record of the span into the store. The span that is returned ends behind
    the last of them: what hung in an open transaction belongs to the next reading. Raises
    BackupError for states that this release does not read, BrokerError.
    """
    changes: dict[bytes, Change] = {}
    size_bytes = count = 0
    end = span.begin
    if span.begin >= span.end:
        return Span(span.begin, span.begin)
    start = TopicPartition(STATE_CHANGELOG.name, partition, span.begin)
    try:
        with closing(broker.reader(settings)) as consumer:
            for message in clients.read_to_end(consumer, [start]):
                if message.offset() >= span.end:
                    break
                key, value = message.key() or b"", message.value()
                changes[key] = Change(key, value)
                size_bytes += len(key) + len(value or b"")
                count += 1
                end = message.offset() + 1
                if size_bytes > _TOGETHER_BYTES:
                    store.write(changes.values())
                    read(count)
                    changes, size_bytes, count = {}, 0, 0
    except KafkaException as error:
        raise BrokerError(f"{STATE_CHANGELOG.name}-{partition}: {error}") from error
    store.write(changes.values())
    read(count)
    marker = store.marker()
    if marker is not None and (marker.format, marker.bounds, marker.fold) not in READ_MARKERS:
        raise BackupError(
            f"{STATE_CHANGELOG.name}-{partition}: the states were made by fold {marker.fold} with"
            f" bounds {marker.bounds}; this release reads {sorted(READ_MARKERS)} (marker format,"
            " bounds, fold): take one that reads them"
        )
    return Span(span.begin, end)


def decoded(user_id: str, data: bytes, where: str) -> UserState:
    """Raises BackupError for a state that this release does not read."""
    try:
        return UserState.decode(data)
    except ValueError as error:
        raise BackupError(
            f"{where}: the state of {user_id!r} cannot be read: {error} (this release reads the"
            f" formats {sorted(FORMATS)} with bounds {BOUNDS_VERSION})"
        ) from None
