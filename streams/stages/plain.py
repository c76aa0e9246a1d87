"""Plain records of a partition: those that compiled code may take (streams/native).

It folds them and keeps which of their asks are the newest, as `intake.py` would do it record by
record. It stops at whatever is not plain, and `intake.py` does that one and calls it again, so
records are taken in their order. Without compiled code there are no plain records.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from schemas.codec import EventDecoder
from schemas.events import KINDS, AnyEvent
from schemas.state import EMPTY, UserState
from streams import native
from streams.lane.contract import Record
from streams.lane.forwarding import partition_of
from streams.native.contract import Reading, Recent, Source
from streams.region.parity import sampled_below
from streams.settings import Settings
from streams.stages.asks import Ask, NewestAsks
from streams.stages.recent import RecentAsks, recent_ask
from streams.state.hot import Hot


@dataclass(frozen=True)
class Answered:
    """What is known of an origin's asks that were answered before."""

    before_ms: int
    """Asks before it were answered."""
    unsure_to_ms: int
    """Of asks up to it, Python knows which."""


class Plain:
    """Of one partition."""

    def __init__(self, settings: Settings) -> None:
        self._native = native.chosen(settings.native)
        self.recent_ask: Callable[[AnyEvent], int] = recent_ask
        """What an ask is known by in `recent_asks`."""
        if self._native is not None:
            ask = self._native.recent_ask
            self.recent_ask = lambda event: ask(event.user_id, event.event_id, event.surface)
        self._asking = sum(1 << KINDS.index(kind) for kind in settings.asking_kinds)

    def partition_of(self, user_id: str, partitions: int) -> int:
        """As streams.lane.forwarding has it."""
        if self._native is None:
            return partition_of(user_id, partitions)
        return self._native.place(user_id) % partitions

    def hot_states(self) -> Hot | None:
        """Where the hot users must be held for it."""
        return None if self._native is None else self._native.HotStates(UserState, EMPTY.maps)

    def recent_asks(self) -> Recent:
        return RecentAsks() if self._native is None else self._native.RecentAsks()

    def replayed(self, users: Hot) -> Reading | None:
        """For records that were answered before; whoever is touched counts as changed."""
        if self._native is None:
            return None
        return self._native.Reading(users, marks_all=True)

    def answered(
        self,
        users: Hot,
        asks: NewestAsks,
        source: Source,
        origin: str,
        recent: Mapping[str, Recent],
        answered: Answered,
    ) -> Reading | None:
        """For a run of an origin whose asks are answered here."""
        if self._native is None:
            return None
        return self._native.Reading(
            users,
            asks.plain(self._native),
            source,
            recent[origin],
            tuple(other for name, other in recent.items() if name != origin),
            asking=self._asking,
            answered_before_ms=answered.before_ms,
            unsure_to_ms=answered.unsure_to_ms,
        )

    def sampled(
        self, users: Hot, asks: NewestAsks, source: Source, share: float, *, is_cold: bool
    ) -> Reading | None:
        """For a run of an origin that another region answers."""
        if self._native is None:
            return None
        return self._native.Reading(
            users,
            asks.plain(self._native),
            source,
            asking=self._asking,
            sampled_below=sampled_below(share),
            is_cold=is_cold,
        )


def left_by(
    reading: Reading | None, records: Sequence[Record], makes_hot: Callable[[str], bool]
) -> Iterable[Record]:
    """The records that are not plain, each when all before it are taken. `makes_hot` loads a user
    whose record would be, and says whether he is of this partition.
    """
    return records if reading is None else _left_by(reading, records, makes_hot)


def _left_by(
    reading: Reading, records: Sequence[Record], makes_hot: Callable[[str], bool]
) -> Iterator[Record]:
    listed = records if isinstance(records, list) else list(records)
    at = reading.take(listed, 0)
    while at < len(listed):
        user_id = reading.missing
        if user_id is None or not makes_hot(user_id) or (end := reading.take(listed, at)) == at:
            yield listed[at]
            end = reading.take(listed, at + 1)
        at = end


def source(decoder: EventDecoder, topic: str, origin: str) -> Source:
    """Makes asks of the values that were kept of a run's."""

    def ask(value: bytes, appended_at_ms: int, offset: int) -> Ask:
        event = decoder.decode_event(value, None, appended_at_ms)
        return Ask(event, origin, appended_at_ms, topic, offset)

    return ask
