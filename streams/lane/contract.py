"""What a stage and the lane promise each other.

The lane gives a stage all the records fetched from one partition, in order, and the stage gives
back what must be committed together with the position behind them. A stage raises for what it
cannot do at all (the worker then exits and starts again from the last commit); a record it cannot
use it returns as a dead letter.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

Headers = list[tuple[str, bytes]]


class Record(Protocol):
    """A fetched record; confluent_kafka's Message is one."""

    def topic(self) -> str: ...
    def partition(self) -> int: ...
    def offset(self) -> int: ...
    def timestamp(self) -> tuple[int, int]:
        """(type, ms). For topics with LogAppendTime, and their mirrored copies, append time."""

    def key(self) -> bytes | None: ...
    def value(self) -> bytes | None: ...
    def headers(self) -> Headers | None: ...


@dataclass(frozen=True)
class Slot:
    """What a worker is assigned: a partition of the stage's first input. The lane reads this
    partition of every input topic, so a user's records from every origin meet here.
    """

    topic: str
    partition: int

    def __str__(self) -> str:
        return f"{self.topic}-{self.partition}"


@dataclass(frozen=True)
class Batch:
    """The records fetched for one slot since the last batch, in order within each topic."""

    slot: Slot
    records: Sequence[Record]


@dataclass(frozen=True)
class Produced:
    """A record to write. Without a partition, Kafka's own partitioner (murmur2) places it."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers = field(default_factory=list)
    partition: int | None = None


@dataclass(frozen=True)
class Outcome:
    """What came of a batch."""

    produce: Sequence[Produced] = ()
    """Commits with the position, or not at all."""
    forward: Sequence[Produced] = ()
    """Acknowledged before the commit and never part of it; may repeat."""


class Stage(Protocol):
    """One box of `streams.topology`. One instance a worker; slots are opened and closed."""

    async def start(self) -> None:
        """Called once, before the worker joins its group. Raises LaneError if it cannot."""

    async def stop(self) -> None:
        """Called once, after the last slot was closed."""

    def open(self, slot: Slot) -> None:
        """Called before anything else of a slot, in a thread of the lane."""

    def replay(self, slot: Slot, records: Iterable[Record]) -> None:
        """Fold records that were committed before: no output, called in a thread of the lane."""

    async def process(self, batch: Batch) -> Outcome:
        """Called for one batch a slot at a time; batches of different slots overlap."""

    def committed(self, batch: Batch, outcome: Outcome) -> None:
        """What `process` returned is permanent now: the moment to count it."""

    def close(self, slot: Slot) -> None:
        """The slot belongs to somebody else now; drop what is held for it."""
