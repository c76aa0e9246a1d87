"""From assigned to open: fence, find the position, make the state again, and go on behind it.

Runs in a pool thread of the lane; other slots go on meanwhile. A crash anywhere in here leaves
nothing behind but a fenced predecessor.
"""

import logging
import time
from collections.abc import Iterator, Sequence

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from streams.lane import clients
from streams.lane.checkpoint import Checkpoint
from streams.lane.contract import Slot, Stage
from streams.settings import Settings

log = logging.getLogger(__name__)

_TIMEOUT_S = 30.0
_AGAIN_S = 0.5


def open_slot(
    slot: Slot, feeds: Sequence[str], checkpoint: Checkpoint, stage: Stage, settings: Settings
) -> list[TopicPartition]:
    """The partitions to read and where to start. Raises LaneError and KafkaException.

    Begins anew after what passes by itself, such as a leader that moves while a broker returns.
    """
    ends = time.monotonic() + _TIMEOUT_S
    while True:
        try:
            return _open_once(slot, feeds, checkpoint, stage, settings)
        except KafkaException as error:
            if error.args[0].code() not in clients.TRANSIENT or time.monotonic() > ends:
                raise
            log.warning("opening %s begins anew: %s", slot, error)
            time.sleep(_AGAIN_S)


def _open_once(
    slot: Slot, feeds: Sequence[str], checkpoint: Checkpoint, stage: Stage, settings: Settings
) -> list[TopicPartition]:
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
