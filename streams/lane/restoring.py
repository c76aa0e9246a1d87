"""The changelog into the store beside the worker, from where the store ends to the log's end.

Called while a partition is opened, behind the fence: only then nothing hangs before the end of the
log, and read_committed sees whole transactions. Memory stays bounded: records go to the store as
they come, and none is decoded.
"""

import logging
from collections.abc import Callable

from confluent_kafka import TopicPartition

from schemas.state import FORMATS, USER_KEY_PREFIX
from schemas.topics import STATE_CHANGELOG
from streams.lane import clients
from streams.lane.errors import StateError
from streams.settings import Settings
from streams.state.store import Change, Store

log = logging.getLogger(__name__)

_TOGETHER_BYTES = 4 * 1024 * 1024


def restore(settings: Settings, partition: int, store: Store, left: Callable[[int], None]) -> int:
    """Returns how many records were read; `left` is told how many are still to come. Raises
    StateError for a state of a format that this release does not read.
    """
    consumer = clients.catch_up_reader(settings)
    try:
        changelog = TopicPartition(STATE_CHANGELOG.name, partition)
        log_start, end = clients.watermarks(consumer, changelog)
        at = store.restored_to()
        if at is not None and at > end:
            store.clear()  # a broker lost the end of the log; nothing of it may be believed
            at = None
        begin = log_start if at is None else max(at, log_start)
        left(end - begin)
        changes: dict[bytes, Change] = {}
        size_bytes = read = 0
        begun = TopicPartition(changelog.topic, partition, begin)
        for message in clients.read_to_end(consumer, [begun]):
            key, value = message.key() or b"", message.value()
            if key.startswith(USER_KEY_PREFIX) and value and value[0] not in FORMATS:
                raise StateError(
                    f"partition {partition}: the changelog's record at offset"
                    f" {message.offset()} is a user state of format {value[0]}; this release"
                    f" reads {sorted(FORMATS)}: start one that reads it"
                )
            changes[key] = Change(key, value)
            size_bytes += len(key) + len(value or b"")
            read += 1
            if size_bytes > _TOGETHER_BYTES:
                store.write(changes.values(), message.offset() + 1)
                left(end - message.offset())
                changes, size_bytes = {}, 0
        store.write(changes.values(), end)
        left(0)
        return read
    finally:
        consumer.close()
