"""Which asks of a partition had their answers before, and so whether one that is read is open.

The logs say it when a partition is opened (`due`), and from then on what is read here does.
"""

from collections.abc import Iterable, Mapping

from schemas.events import AnyEvent
from streams.native.contract import Recent
from streams.stages.asks import Order, Place
from streams.stages.plain import Answered, Plain
from streams.stages.recent import CLOCK_STEP_MS

_NEVER: Order = (-1, "")


class AnsweredAsks:
    """Each origin by its own time: a mirror that lags brings one's asks minutes after the other's,
    and by a common time they would be forgotten at once.
    """

    def __init__(self, plain: Plain, origins: Iterable[str]) -> None:
        self._plain = plain
        self.recent = {origin: plain.recent_asks() for origin in origins}
        """Those that were answered a moment ago, so that an event sent again is answered once."""
        self._causes: dict[str, Mapping[Place, Order]] = {}
        self._causes_to_ms: dict[str, int] = {}
        """Of each origin, the newest append time in there."""
        self._before_ms: dict[str, int] = {}
        """Of each origin, what the logs said when its asks were read. It also holds for what a
        standby that lagged behind has yet to take.
        """

    def learn(
        self,
        origin: str,
        causes: Mapping[Place, Order],
        recent: Recent,
        before_ms: int,
        folded_to_ms: int,
    ) -> None:
        """What the logs say: the newest cause of each place that had an answer, and the append
        time before which all had.
        """
        # Asks that are still to be read were appended since, but for a clock that stepped back.
        since_ms = folded_to_ms - CLOCK_STEP_MS
        newer = {place: order for place, order in causes.items() if order[0] >= since_ms}
        self._causes[origin] = newer
        self._causes_to_ms[origin] = max((order[0] for order in newer.values()), default=0)
        self._before_ms[origin] = before_ms
        self.recent[origin] = recent

    def forget(self, origin: str) -> None:
        self._causes.pop(origin, None)
        self._causes_to_ms.pop(origin, None)
        self._before_ms.pop(origin, None)
        self.recent[origin] = self._plain.recent_asks()

    def of(self, origin: str) -> Answered:
        """What of it compiled code may know."""
        return Answered(self._before_ms.get(origin, 0), self._causes_to_ms.get(origin, 0))

    def folded(self, origin: str, appended_at_ms: int) -> None:
        """All its records up to this time were read."""
        causes_to_ms = self._causes_to_ms.get(origin)
        if causes_to_ms is not None and appended_at_ms > causes_to_ms + CLOCK_STEP_MS:
            del self._causes[origin], self._causes_to_ms[origin]  # nothing older comes

    def is_open(self, origin: str, event: AnyEvent, appended_at_ms: int) -> bool:
        """Whether an ask has no answer yet. From here on it counts as answered: a batch is
        committed with all its answers but those of late asks that stay due, or this worker holds
        the partition no more.
        """
        if appended_at_ms < self._before_ms.get(origin, 0):
            return False
        if causes := self._causes.get(origin):
            order = appended_at_ms, event.event_id
            if order <= causes.get((event.user_id, event.surface), _NEVER):
                return False
        ask = self._plain.recent_ask(event)
        for other, recent in self.recent.items():
            if other != origin and recent.knows(ask, appended_at_ms):
                return False
        return self.recent[origin].add(ask, appended_at_ms)
