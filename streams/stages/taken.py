"""What came of a batch's records: filled by `intake.py`, read by `recommend.py`."""

from dataclasses import dataclass, field

from schemas.codec import RefusedError
from streams.lane.contract import Produced, Record
from streams.lane.dead_letters import dead_letter
from streams.stages.asks import Ask, NewestAsks, Place


@dataclass
class Intake:
    """Of one batch of one partition."""

    own: NewestAsks = field(default_factory=NewestAsks)
    others: NewestAsks = field(default_factory=NewestAsks)
    dead_letters: list[Produced] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)
    """(topic, reason) of each dead letter, to be counted once they are committed."""
    forward: list[Produced] = field(default_factory=list)
    forwarded_for: list[str] = field(default_factory=list)
    """The producer of each forwarded record."""
    first_appended_ms: dict[str, int] = field(default_factory=dict)
    """Of each origin, the append time of the batch's first record."""

    @property
    def asks(self) -> dict[Place, Ask]:
        """The newest of each place that is this region's to answer and has no answer yet."""
        return self.own.all()

    @property
    def sampled(self) -> dict[Place, Ask]:
        """The newest of each place that another region answers, of the users in the sample."""
        return self.others.all()

    def refuse(self, record: Record, refused: RefusedError) -> None:
        self.dead_letters.append(dead_letter(record, refused))
        self.refused.append((record.topic(), refused.reason))
