"""The checkpoint of stages whose effects may repeat harmlessly: effects first, then the offset."""

import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, Future
from functools import partial

from confluent_kafka import KafkaError, KafkaException, TopicPartition

from streams.lane import positions
from streams.lane.checkpoint import Left, Opened
from streams.lane.contract import Anywhere, Offsets, Outcome, Sink, Slot
from streams.lane.errors import DeadlineError, LaneError
from streams.lane.writing import Forward, until
from streams.settings import Settings

log = logging.getLogger(__name__)


class OffsetCheckpoint:
    """Effects first, then the group's offset. A crash between repeats the batch, so every effect
    must be harmless when repeated: rows keyed by their own id, dead letters. An offset says which
    sink has the effects before it, and for any other one it does not count.
    """

    transactional = False

    def __init__(self, settings: Settings, group: str, sink: Sink | None = None) -> None:
        self._settings = settings
        self._group = group
        self._sink = sink or Anywhere()
        self._forward = Forward(settings)
        self.commit_offsets: Callable[[list[TopicPartition]], Future[list[TopicPartition]]]
        """The group member's, set when the lane starts."""

    def open(self, slot: Slot, feeds: Sequence[str], left: Left) -> Opened:  # noqa: ARG002
        said = positions.committed(self._settings, self._group, slot.partition, feeds)
        found: dict[str, int | None] = dict.fromkeys(feeds)
        for topic, committed in said.items():
            if self._sink.has(committed.sink):
                found[topic] = committed.offset
            else:
                log.warning("%s of %s is read from its start: the rows are lost", topic, slot)
        return Opened(found, found)

    def commit(self, slot: Slot, behind: Offsets, outcome: Outcome) -> None:
        """1. Produce what the stage returned and wait for it. 2. Commit the offsets.

        A crash after 1 repeats both. Raises DeadlineError, LaneError.
        """
        deadline = time.monotonic() + self._settings.commit_deadline_ms / 1000
        self._forward((*outcome.forward, *outcome.produce), deadline)  # 1
        sink = self._sink.id
        offsets = [TopicPartition(topic, slot.partition, at, sink) for topic, at in behind.items()]
        try:
            until(deadline, f"offsets of {slot}", partial(self._commit_offsets, offsets))  # 2
        except KafkaException as raised:
            error: KafkaError = raised.args[0]
            if error.code() not in _GIVEN_UP:
                raise LaneError(f"offsets of {slot} cannot be committed: {error}") from raised
            log.warning("%s is not held any more; whoever holds it repeats this batch", slot)

    def _commit_offsets(self, offsets: list[TopicPartition], timeout_s: float) -> None:
        try:
            committed = self.commit_offsets(offsets).result(timeout_s)
        except (TimeoutError, CancelledError):
            raise DeadlineError("the group's member did not commit in time") from None
        for part in committed:
            if part.error is not None:
                raise KafkaException(part.error)

    def check(self) -> None:
        """Kafka forgets a group's offsets of a topic with the topic."""

    def close(self, slot: Slot) -> None:
        """Nothing is held for a slot."""


_GIVEN_UP = (
    KafkaError.ILLEGAL_GENERATION,
    KafkaError.UNKNOWN_MEMBER_ID,
    KafkaError.FENCED_INSTANCE_ID,
)
