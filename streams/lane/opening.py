"""From assigned to open: fence, find the position, make the state again, and go on behind it.

Runs in a pool thread of the lane; other slots go on meanwhile. A crash anywhere in here leaves
nothing behind but a fenced predecessor.
"""

import logging
from collections.abc import Iterator, Sequence

from confluent_kafka import Consumer, Message, TopicPartition

from streams.lane import clients
from streams.lane.checkpoint import Checkpoint
from streams.lane.contract import Slot, Stage
from streams.settings import Settings

log = logging.getLogger(__name__)

_TIMEOUT_S = 30.0


def open_slot(
    slot: Slot, feeds: Sequence[str], checkpoint: Checkpoint, stage: Stage, settings: Settings
) -> list[TopicPartition]:
    """The partitions to read and where to start. Raises LaneError and KafkaException."""
    where = checkpoint.open(slot, feeds)
    stage.open(slot)
    consumer = clients.catch_up_reader(settings)
    try:
        return [_replayed(consumer, slot, feed, where[feed], checkpoint, stage) for feed in feeds]
    finally:
        consumer.close()


def _replayed(
    consumer: Consumer,
    slot: Slot,
    feed: str,
    offset: int | None,
    checkpoint: Checkpoint,
    stage: Stage,
) -> TopicPartition:
    log_start, end = consumer.get_watermark_offsets(
        TopicPartition(feed, slot.partition), timeout=_TIMEOUT_S
    )
    if offset is None:
        return TopicPartition(feed, slot.partition, log_start)
    if offset < log_start:
        log.error(
            "%s-%d: records %d to %d were removed by retention before they were read",
            feed, slot.partition, offset, log_start - 1,
        )  # fmt: skip
    offset = min(max(offset, log_start), end)
    if checkpoint.replays and offset > log_start:
        begin = TopicPartition(feed, slot.partition, log_start)
        stage.replay(slot, _before(clients.read_to_end(consumer, [begin]), offset))
    return TopicPartition(feed, slot.partition, offset)


def _before(messages: Iterator[Message], offset: int) -> Iterator[Message]:
    for message in messages:
        if message.offset() >= offset:
            return
        yield message
