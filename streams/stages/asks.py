"""Events that ask for a slate: what `recommend` reads, plans and answers."""

from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar

import msgspec

from schemas.events import AnyEvent
from streams.native.contract import Native, NewestPlain

Order = tuple[int, str]
"""(append time, event id): asks are ordered by it in every cluster alike; offsets are not."""
Place = tuple[str, str]
"""(user, surface): an answer to the newest ask of a place answers those before it."""


class Ask(msgspec.Struct, frozen=True, gc=False):
    """An event that asks, and where it was read."""

    event: AnyEvent
    origin: str
    appended_at_ms: int
    topic: str
    offset: int

    @property
    def order(self) -> Order:
        return self.appended_at_ms, self.event.event_id

    @property
    def place(self) -> Place:
        return self.event.user_id, self.event.surface


def keep_newest(newest: dict[Place, Ask], ask: Ask) -> None:
    """Keep an ask if it is the newest of its place."""
    event = ask.event
    place = event.user_id, event.surface
    known = newest.setdefault(place, ask)
    if known is ask:
        return
    if ask.appended_at_ms > known.appended_at_ms or ask.order > known.order:
        newest[place] = ask


class NewestAsks:
    """The newest ask of each place among those of a batch."""

    keeps_each: ClassVar[bool] = False
    """Whether each ask is its own newest: so has it a benchmark whose events all cost the same."""

    def __init__(self) -> None:
        self._asks: dict[Place, Ask] = {}
        self._plain: NewestPlain | None = None

    def __len__(self) -> int:
        """Asks held; of some places two, until `all` is called."""
        return len(self._asks) + (0 if self._plain is None else len(self._plain))

    def add(self, ask: Ask) -> None:
        if self.keeps_each:
            event = ask.event
            self._asks[event.user_id, f"{event.surface} {event.event_id}"] = ask
        else:
            keep_newest(self._asks, ask)

    def plain(self, native: Native) -> NewestPlain:
        """Where the asks of plain records go, which are decoded when `all` are wanted."""
        if self._plain is None:
            self._plain = native.NewestAsks(self.keeps_each)
        return self._plain

    def all(self) -> dict[Place, Ask]:
        if self._plain:
            for source, value, appended_at_ms, offset in self._plain.take():
                self.add(source(value, appended_at_ms, offset))
        return self._asks


def earliest(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    """By origin: of a batch's first records and the oldest asks due, what comes first is the time
    before which every ask had an answer when the transaction began.
    """
    return {
        origin: min(times_ms[origin] for times_ms in (one, other) if origin in times_ms)
        for origin in {*one, *other}
    }


class DueAsks:
    """Of one partition, to be answered oldest first while new batches go on.

    Held by origin and place: an ask also answers those of other origins, but only while this
    region owns its own.
    """

    def __init__(self) -> None:
        self._asks: dict[tuple[str, Place], Ask] = {}
        """Oldest first."""
        self._origins: set[str] = set()

    def __len__(self) -> int:
        return len(self._asks)

    def oldest_ms(self) -> dict[str, int]:
        """Of each origin, the append time of the oldest ask still due."""
        oldest: dict[str, int] = {}
        for ask in self._asks.values():
            oldest.setdefault(ask.origin, ask.appended_at_ms)
            if len(oldest) == len(self._origins):
                break
        return oldest

    def replace(self, origin: str, asks: Iterable[Ask]) -> None:
        """What was planned for an origin is dropped for what the logs say now."""
        self._keep([*asks, *(ask for ask in self._asks.values() if ask.origin != origin)])

    def put_back(self, asks: Sequence[Ask]) -> None:
        """Asks that were taken, or read just now, and have no answer yet."""
        if asks:
            self._keep([*asks, *self._asks.values()])

    def take(self, at_most: int, newer: Mapping[Place, Ask]) -> list[Ask]:
        """The oldest; none that an ask of `newer` answers too: no slate goes out after a newer.

        Read later is not always newer: a broker's clock may have stepped back, and two origins
        have two clocks. What `newer` does not reach stays due.
        """
        if not self._asks:
            return []
        for place, ask in newer.items():
            for origin in self._origins:
                known = self._asks.get((origin, place))
                if known is not None and known.order <= ask.order:
                    del self._asks[origin, place]
        keys = [key for key, _ in zip(self._asks, range(at_most), strict=False)]
        return [self._asks.pop(key) for key in keys]

    def _keep(self, asks: Iterable[Ask]) -> None:
        """The newest of each origin and place."""
        kept: dict[tuple[str, Place], Ask] = {}
        for ask in sorted(asks, key=lambda ask: ask.order):
            key = ask.origin, ask.place
            kept.pop(key, None)
            kept[key] = ask
        self._asks = kept
        self._origins = {origin for origin, _ in kept}
