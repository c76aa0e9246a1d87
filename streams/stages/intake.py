"""The first half of `recommend`: records into states, asks, dead letters and forwarded records.

One pass over the batch. A record that cannot be used never stops its neighbours.
"""

import logging
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from schemas.codec import SCHEMA_HEADER, EventDecoder, RefusedError
from schemas.events import AnyEvent, Kind
from schemas.topics import USER_EVENTS
from streams import metrics
from streams.lane.contract import Produced, Record
from streams.lane.dead_letters import dead_letter
from streams.lane.forwarding import forwarded, partition_of, producer_of
from streams.stages.recent import RecentAsks
from streams.state.fold import fold
from streams.state.partition import Users

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Ask:
    """An event that asks for a slate, and where it was read."""

    event: AnyEvent
    origin: str
    appended_at_ms: int
    topic: str
    offset: int

    @property
    def order(self) -> tuple[int, str]:
        """Asks are ordered by this, in every cluster alike; offsets are not."""
        return self.appended_at_ms, self.event.event_id


@dataclass
class Intake:
    """What came of a batch's records."""

    asks: list[Ask] = field(default_factory=list)
    dead_letters: list[Produced] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)
    """(topic, reason) of each dead letter, to be counted once they are committed."""
    forward: list[Produced] = field(default_factory=list)
    forwarded_for: list[str] = field(default_factory=list)
    """The producer of each forwarded record."""
    first_appended_ms: dict[str, int] = field(default_factory=dict)
    """Of each origin, the append time of the batch's first record."""


class Partition:
    """What a worker holds of one partition of the users."""

    def __init__(
        self,
        partition: int,
        partitions: int,
        origins: Mapping[str, str],
        region: str,
        asking_kinds: Collection[Kind],
        decoder: EventDecoder,
    ) -> None:
        self.number = partition
        self.users = Users()
        self.recent = RecentAsks()
        self._partitions = partitions
        self._origins = origins
        self._region = region
        self._asking_kinds = asking_kinds
        self._decoder = decoder

    def take(self, records: Iterable[Record]) -> Intake:
        """Fold a batch. The same records again change no state."""
        taken = Intake()
        for record in records:
            appended_at_ms = record.timestamp()[1]
            origin = self._origins[record.topic()]
            taken.first_appended_ms.setdefault(origin, appended_at_ms)
            try:
                event = self._decode(record, appended_at_ms)
            except RefusedError as refused:
                taken.dead_letters.append(dead_letter(record, refused))
                taken.refused.append((record.topic(), refused.reason))
                continue
            if self._is_misplaced(event.user_id):
                if origin == self._region:
                    self._forward(record, event, taken)
                continue  # a mirrored one is forwarded in its own region
            self._fold(event, appended_at_ms)
            if event.kind in self._asking_kinds:
                taken.asks.append(
                    Ask(event, origin, appended_at_ms, record.topic(), record.offset())
                )
        return taken

    def replay(self, records: Iterable[Record]) -> None:
        """Fold what was committed before: nothing is answered, refused or forwarded again."""
        for record in records:
            appended_at_ms = record.timestamp()[1]
            try:
                event = self._decode(record, appended_at_ms)
            except RefusedError:
                continue
            if self._is_misplaced(event.user_id):
                continue
            self._fold(event, appended_at_ms)
            if event.kind in self._asking_kinds:
                self.recent.add(event.user_id, event.event_id, event.surface, appended_at_ms)

    def _decode(self, record: Record, appended_at_ms: int) -> AnyEvent:
        schema = next((v for k, v in record.headers() or () if k == SCHEMA_HEADER), None)
        unknown = self._decoder.unknown_fields
        event = self._decoder.decode_event(record.value(), schema, appended_at_ms)
        if self._decoder.unknown_fields != unknown:
            metrics.UNKNOWN_FIELDS.labels(record.topic()).inc()
        return event

    def _fold(self, event: AnyEvent, appended_at_ms: int) -> None:
        before = self.users.get(event.user_id)
        after = fold(before, event, appended_at_ms)
        if after is not before:
            self.users.put(event.user_id, after)

    def _is_misplaced(self, user_id: str) -> bool:
        """Placing costs more than folding, so it is done only for users not known here."""
        if user_id in self.users:
            return False
        return partition_of(user_id, self._partitions) != self.number

    def _forward(self, record: Record, event: AnyEvent, taken: Intake) -> None:
        right = partition_of(event.user_id, self._partitions)
        producer = producer_of(record)
        log.warning(
            "%s-%d at offset %d belongs to partition %d (key %r, producer %s): forwarded; its"
            " producer should place keys by murmur2 (librdkafka: partitioner=murmur2_random)",
            record.topic(), record.partition(), record.offset(), right, record.key(), producer,
        )  # fmt: skip
        taken.forward.append(forwarded(record, USER_EVENTS.name, event.user_id, right))
        taken.forwarded_for.append(producer)
