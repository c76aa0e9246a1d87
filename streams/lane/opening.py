"""From assigned to open: fence, restore, fold again what the store may lack, and go on behind it.

Runs in a pool thread of the lane; other slots go on meanwhile. A crash anywhere in here leaves
nothing behind but a fenced predecessor. Asks that are due are read with the first batch behind it
(streams/stages/due.py).
"""

import logging
import math
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import chain

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from streams import memory, metrics
from streams.lane import clients
from streams.lane.checkpoint import Checkpoint, Left, Opened
from streams.lane.contract import Slot, Stage
from streams.lane.errors import StateError
from streams.settings import Settings

log = logging.getLogger(__name__)

_TIMEOUT_S = 30.0
_AGAIN_S = 0.5
_TELL_EVERY = 5_000


class GivenUpError(Exception):
    """The slot was revoked while it was being opened."""


class Opening:
    """Of the slots of one lane. `to_the_end`: topics that are folded to their end as it is now,
    past the position, before the slot opens.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        stage: Stage,
        settings: Settings,
        to_the_end: Collection[str] = (),
    ) -> None:
        self._checkpoint = checkpoint
        self._stage = stage
        self._settings = settings
        self._to_the_end = to_the_end

    def open(
        self, slot: Slot, feeds: Sequence[str], is_wanted: Callable[[], bool]
    ) -> list[TopicPartition]:
        """The partitions to read and where to start. Raises LaneError and KafkaException, and
        GivenUpError soon after the slot is wanted no more.

        Begins anew after what passes by itself, such as a leader that moves while a broker
        returns.
        """

        def left(records: int) -> None:
            if not is_wanted():
                raise GivenUpError
            metrics.RESTORE_LEFT.labels(str(slot.partition)).set(records)

        ends = time.monotonic() + _TIMEOUT_S
        while True:
            if not is_wanted():
                raise GivenUpError
            try:
                return self._open_once(slot, feeds, left)
            except KafkaException as error:
                if error.args[0].code() not in clients.TRANSIENT or time.monotonic() > ends:
                    raise
                log.warning("opening %s begins anew: %s", slot, error)
                self._checkpoint.close(slot)
                time.sleep(_AGAIN_S)

    def _open_once(self, slot: Slot, feeds: Sequence[str], left: Left) -> list[TopicPartition]:
        opened = self._checkpoint.open(slot, feeds, left)
        self._stage.open(slot, opened.store)
        consumer = clients.catch_up_reader(self._settings)
        again = _FoldedAgain(slot.partition)
        try:
            found = [self._feed(consumer, slot, feed, opened, left, again) for feed in feeds]
        finally:
            consumer.close()
            memory.give_back()
        if opened.store is not None:
            metrics.phase(slot.partition, "open")
        return found

    def _feed(
        self,
        consumer: Consumer,
        slot: Slot,
        feed: str,
        opened: Opened,
        left: Left,
        again: "_FoldedAgain",
    ) -> TopicPartition:
        """Fold a topic from the marker to the position, and tell where to go on. Raises TopicError
        where the topic is not the one that the position is of any more.
        """
        log_start, end = clients.watermarks(consumer, TopicPartition(feed, slot.partition))
        position, folded_to = opened.go_on_at[feed], opened.folded_to[feed]
        begin = log_start if folded_to is None else folded_to
        wanted = position if folded_to is None else folded_to
        if wanted is not None and wanted < log_start:
            self._lost(slot, feed, wanted, log_start, keeps_states=opened.store is not None)
        if position is not None and position > end:
            # Of another log, made again since its position was looked up, or one that lost its end.
            self._checkpoint.check()
        go_on = log_start if position is None else min(max(position, log_start), end)
        stop = end if feed in self._to_the_end else go_on
        if opened.store is not None and begin < stop:
            metrics.phase(slot.partition, "replaying")
            records = clients.read_to_end(
                consumer, [TopicPartition(feed, slot.partition, max(begin, log_start))]
            )
            counted = _counted(records, stop, left)
            self._stage.replay(slot, feed, counted if feed in self._to_the_end else again(counted))
        return TopicPartition(feed, slot.partition, stop)

    def _lost(
        self, slot: Slot, feed: str, wanted: int, log_start: int, *, keeps_states: bool
    ) -> None:
        """A state that lacks something must not look like one that does not."""
        lost = (
            f"{feed}-{slot.partition}: records {wanted} to {log_start - 1} were removed by"
            " retention before they were processed for good"
        )
        if keeps_states and not self._settings.accept_lost_input:
            raise StateError(
                f"{lost}; what they did can come from a peer's states (`tidemill region join`);"
                " to go on without, set TIDEMILL_ACCEPT_LOST_INPUT=true for one start"
            )
        log.error("%s; gone on without", lost)


def _counted(messages: Iterator[Message], stop: int, left: Left) -> Iterator[Message]:
    """Those before the offset `stop`."""
    for read, message in enumerate(clients.before(messages, stop)):
        if read % _TELL_EVERY == 0:
            left(stop - message.offset())
        yield message
    left(0)


class _FoldedAgain:
    """Tells how old the oldest of what is folded again is; only a new marker makes it younger."""

    def __init__(self, partition: int) -> None:
        self._partition = str(partition)
        self._oldest_s = math.inf

    def __call__(self, messages: Iterator[Message]) -> Iterator[Message]:
        first = next(messages, None)
        if first is None:
            return messages
        self._oldest_s = min(self._oldest_s, first.timestamp()[1] / 1000)
        metrics.MARKER_TIME.labels(self._partition).set(self._oldest_s)
        return chain((first,), messages)
