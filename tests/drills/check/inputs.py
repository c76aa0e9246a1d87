"""The input as everybody must understand it: which records are events, of whom, and which ask."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from confluent_kafka import Message

from schemas.codec import EventDecoder, RefusedError
from schemas.events import AnyEvent
from schemas.topics import USER_EVENTS
from tests.drills.check.logs import Logs
from tests.drills.check.truth import Placement

ASKING = frozenset(("click", "cart", "purchase", "rating", "hide", "search", "chat", "request"))
"""What asks by default."""
AGAIN_MS = 120_000
"""An event sent again so soon is answered with its first copy."""


class Read(NamedTuple):
    """A record of the input; no event: it must be refused."""

    topic_id: str
    topic: str
    partition: int
    offset: int
    appended_at_ms: int
    event: AnyEvent | None


@dataclass(frozen=True)
class Feed:
    """A topic that feeds the states, and whose events are in it."""

    topic: str
    origin: str


EAST = Feed(USER_EVENTS.name, "east")


class Gone(NamedTuple):
    """What a topic held that was deleted since."""

    topic: str
    records: dict[int, list[Read]]
    """By partition."""


@dataclass
class Inputs:
    """Of one cluster. `gone`: what was in topics that were deleted since, in that order."""

    partitions: int
    feeds: tuple[Feed, ...] = (EAST,)
    gone: list[Gone] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.placement = Placement(self.partitions)
        self._decoder = EventDecoder()

    def read(self, logs: Logs, feed: Feed, partition: int, topic_id: str) -> Iterator[Read]:
        """Every record of a feed's partition, its deleted ones first."""
        for gone in self.gone:
            if gone.topic == feed.topic:
                yield from gone.records[partition]
        for message in logs.records(feed.topic, partition):
            yield self.understood(message, topic_id)

    def remember(self, logs: Logs, feed: Feed, topic_id: str) -> None:
        """Call before a feed's topic is deleted: it fed the states all the same."""
        records = {
            number: [self.understood(m, topic_id) for m in logs.records(feed.topic, number)]
            for number in range(self.partitions)
        }
        self.gone.append(Gone(feed.topic, records))

    def understood(self, message: Message, topic_id: str) -> Read:
        appended_at_ms = message.timestamp()[1]
        schema = dict(message.headers() or []).get("schema")
        event: AnyEvent | None
        try:
            event = self._decoder.decode_event(message.value(), schema, appended_at_ms)
        except RefusedError:
            event = None
        return Read(
            topic_id,
            message.topic(),
            message.partition(),
            message.offset(),
            appended_at_ms,
            event,
        )


class Asks:
    """Which records of one partition ask, each event once."""

    def __init__(self) -> None:
        self._first_ms: dict[tuple[str, str, str], int] = {}

    def asks(self, read: Read) -> bool:
        event = read.event
        if event is None or event.kind not in ASKING:
            return False
        identity = event.user_id, event.event_id, event.surface
        first_ms = self._first_ms.get(identity)
        if first_ms is not None and read.appended_at_ms - first_ms <= AGAIN_MS:
            return False
        self._first_ms[identity] = read.appended_at_ms
        return True


def events(reads: Iterable[Read], placement: Placement) -> Iterator[Read]:
    """Those that change states here: events in the partition of their user."""
    for read in reads:
        if read.event is not None and placement.of(read.event.user_id) == read.partition:
            yield read
