"""What a stage and the lane promise each other.

The lane gives a stage all the records fetched from one partition, in order, and the stage gives
back what must be committed together with the position behind them. A stage raises for what it
cannot do at all (the worker then exits and starts again from the last commit); a record it cannot
use it returns as a dead letter.
"""

from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Literal, NamedTuple, Protocol

import msgspec

from streams.state.flushing import NOTHING, Slice
from streams.state.store import Store

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


Offsets = Mapping[str, int]
"""Topic -> the next offset to read, of a slot's partition."""


class Run(NamedTuple):
    """Records of one topic, in its order."""

    topic: str
    records: Sequence[Record]


NextRun = Callable[[int], Awaitable[Run | None]]
"""Given how many records a batch has by now: what joins it, or None where it is complete."""


@dataclass(eq=False)
class Batch:
    """The records fetched for one slot since the last batch; none, where the stage wanted a batch
    for what it has to do besides. `before` and `behind` are the slot's whole position.
    """

    slot: Slot
    runs: Sequence[Run]
    before: Offsets
    behind: Offsets
    next_run: NextRun | None = None

    def __post_init__(self) -> None:
        self.sizes: Counter[str] = Counter()
        """Records by topic."""
        for topic, records in self.runs:
            self.sizes[topic] += len(records)

    def __str__(self) -> str:
        runs = (f"{count} records of {topic}" for topic, count in self.sizes.items())
        return f"{self.slot} at {dict(self.before)} ({', '.join(runs)})"

    @property
    def size(self) -> int:
        return self.sizes.total()

    @property
    def records(self) -> list[Record]:
        """All of them, for a stage that must have them at once."""
        return list(chain.from_iterable(run.records for run in self.runs))

    def complete(self) -> None:
        """No more records join it; those that it has are still to be taken."""
        self.next_run = None

    async def growing(self) -> AsyncIterator[Run]:
        """Each run once, with those that join while a stage takes them. None is kept: records
        that are let go while they are in the processor's cache cost half as much.
        """
        waiting, self.runs = deque(self.runs), ()
        while waiting:
            yield waiting.popleft()
        while self.next_run is not None and (run := await self.next_run(self.size)) is not None:
            topic, records = run
            self.sizes[topic] += len(records)
            self.behind = {**self.behind, topic: records[-1].offset() + 1}
            yield run


class Produced(msgspec.Struct, frozen=True, gc=False):
    """A record to write. Without a partition, Kafka's own partitioner (murmur2) places it."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers = msgspec.field(default_factory=list)
    partition: int | None = None


@dataclass(frozen=True)
class Outcome:
    """What came of a batch."""

    produce: Sequence[Produced] = ()
    """Commits with the position, or not at all."""
    forward: Sequence[Produced] = ()
    """Acknowledged before the commit and never part of it; may repeat."""
    flush: Slice = NOTHING
    """Of the states; commits with the position, then goes to the slot's store."""


StageWait = Literal["ownership", "triton", "clickhouse", "logs"]
"""For what a stage waits: this region publishes for no origin, a server does not answer, or the
logs are being read for asks that are due.
"""
Wait = StageWait | Literal["agent", "stage", "commit", "records"]
"""For what an open slot waits. Besides: its batch is on its way through Faust, with its stage or
being committed for long; the broker gives no more records though there are some.
"""


class Stage(Protocol):
    """One box of `streams.topology`. One instance a worker; slots are opened and closed."""

    async def start(self) -> None:
        """Called once, before the worker joins its group. Raises LaneError if it cannot."""

    async def stop(self) -> None:
        """Called once, after the last slot was closed."""

    def open(self, slot: Slot, store: Store | None) -> None:
        """Called before anything else of a slot, in a thread of the lane; again, should opening
        begin anew. `store` has the states as of the last marker; None for a stage without.
        """

    def replay(self, slot: Slot, topic: str, records: Iterable[Record]) -> None:
        """Fold what the store may lack: no output, called in a thread of the lane."""

    def wants(self, slot: Slot, behind: Offsets) -> bool:
        """Whether there is something to do for a slot that has no records. `behind`: its position.
        Asked several times a second.
        """

    async def process(self, batch: Batch) -> Outcome:
        """Called for one batch a slot at a time; batches of different slots overlap."""

    def committed(self, batch: Batch, outcome: Outcome) -> None:
        """What `process` returned is permanent now: the moment to count it."""

    def report(self, slot: Slot, behind: Offsets) -> StageWait | None:
        """Asked once a second of an open slot: set its gauges, and tell what it waits for."""

    def drain(self, slot: Slot, behind: Offsets) -> Outcome | None:
        """What should be committed before a slot is given up in good order; asked again until
        there is nothing left.
        """

    def close(self, slot: Slot) -> None:
        """The slot belongs to somebody else now; drop what is held for it."""


class Sink(Protocol):
    """Where the effects of a stage are that commits offsets: a position counts for the place that
    has the effects of what lies before it, and for no other. A commit carries its `id`.
    """

    @property
    def id(self) -> str: ...

    def has(self, id_: str) -> bool:
        """Whether the effects before a position are here that was committed with this id."""


class Anywhere:
    """Effects that outlive every server of ours, such as records in Kafka."""

    id = ""

    def has(self, id_: str) -> bool:  # noqa: ARG002
        return True


class Stateless:
    """What a stage promises that holds nothing for a slot; the rest is its own."""

    sink: Sink = Anywhere()

    def open(self, slot: Slot, store: Store | None) -> None:
        """Nothing is held for a slot."""

    def replay(self, slot: Slot, topic: str, records: Iterable[Record]) -> None:
        """Nothing is held that could be made again."""

    def wants(self, slot: Slot, behind: Offsets) -> bool:  # noqa: ARG002
        return False

    def report(self, slot: Slot, behind: Offsets) -> StageWait | None:
        """Nothing is held that could be told."""

    def drain(self, slot: Slot, behind: Offsets) -> Outcome | None:
        """Nothing is left to write."""

    def close(self, slot: Slot) -> None:
        """Nothing is held for a slot."""
