"""What a lane tells of its slots once a second: lag, waits, and offsets for the group's lag tools.

Called by the lane in the event loop's thread.
"""

from collections.abc import Iterable

from confluent_kafka import TopicPartition

from streams.lane.contract import Stage
from streams.lane.errors import DeadlineError
from streams.lane.held import Held
from streams.lane.member import Member
from streams.lane.offering import Offering
from streams.lane.reader import Reader

_OFFERED_DEADLINE_S = 60.0
"""For a batch to reach the stage through Faust; it takes a millisecond."""


class Reporting:
    def __init__(
        self, stage: Stage, offering: Offering, reader: Reader, for_tools: Member | None
    ) -> None:
        """`for_tools` commits positions to the group, where nobody goes on from them."""
        self._stage = stage
        self._offering = offering
        self._reader = reader
        self._for_tools = for_tools

    def report(self, slots: Iterable[Held], now: float) -> None:
        offsets = []
        for held in slots:
            if not held.is_open:
                continue
            topic, partition = held.slot.topic, held.slot.partition
            at = self._offering.idle_position(held)
            behind = {
                feed: max(0, self._reader.ends.get((feed, partition), 0) - processed)
                for feed, processed in at.items()
            }
            held.figures.lags(behind)
            stage_waits = self._stage.report(held.slot, at)
            held.figures.waits(*held.wait(stage_waits, sum(behind.values()), now), now)
            offsets.append(TopicPartition(topic, partition, at[topic]))
        if offsets and self._for_tools is not None:
            self._for_tools.commit_for_tools(offsets)


def overdue(held: Held, now: float) -> DeadlineError | None:
    """Where a batch of the slot has been on its way to the stage for too long."""
    stuck = held.offered is not None and held.running_batch is not held.offered
    if stuck and now - held.offered_at > _OFFERED_DEADLINE_S:
        return DeadlineError(f"a batch of {held.slot} did not reach its stage")
    return None
