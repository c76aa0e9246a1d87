"""What the compiled module offers, as types; each has its counterpart in Python.

`HotStates` is `streams.state.hot.HotStates`, `RecentAsks` is `streams.stages.recent.RecentAsks`;
`NewestAsks` and `Reading` belong to `streams.stages.plain`.
"""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from schemas.state import Maps, UserState
from streams.state.hot import Hot

Source = Callable[[bytes, int, int], Any]
"""(value, append time, offset) -> the ask that they are."""


class Recent(Protocol):
    """Which asks of one origin were answered a moment ago."""

    def __len__(self) -> int: ...
    def add(self, ask: int, appended_at_ms: int, /) -> bool: ...
    def knows(self, ask: int, appended_at_ms: int, /) -> bool: ...


class NewestPlain(Protocol):
    """The newest ask of each place among plain records, as copies of their values."""

    def __len__(self) -> int: ...
    def take(self) -> list[tuple[Source, bytes, int, int]]:
        """(source, value, append time, offset) of each, which is held no more."""


class Reading(Protocol):
    """How the plain records of one run are taken."""

    is_cold: bool
    missing: str | None
    """Who is not hot, where that alone stopped `take` at an event that changes his state."""

    def take(self, records: list[Any], begin: int, /) -> int:
        """Fold those from `begin` on; where it stopped: at the first that is not plain, or because
        that is enough at once.
        """


class _NewReading(Protocol):
    def __call__(  # noqa: PLR0913, one argument a rule
        self,
        users: Hot,
        asks: NewestPlain | None = None,
        source: Source | None = None,
        recent: Recent | None = None,
        others: tuple[Recent, ...] = (),
        *,
        asking: int = 0,
        answered_before_ms: int = 0,
        unsure_to_ms: int = 0,
        sampled_below: float = 0.0,
        is_cold: bool = False,
        marks_all: bool = False,
    ) -> Reading: ...


class Native(Protocol):
    """The module."""

    RULES: Mapping[str, Any]
    HotStates: Callable[[type[UserState], Maps], Hot]
    RecentAsks: Callable[[], Recent]
    recent_ask: Callable[[str, str, str], int]
    """(user_id, event_id, surface) -> what the ask is known by in RecentAsks."""
    NewestAsks: Callable[[bool], NewestPlain]
    Reading: _NewReading
    hash: Callable[[bytes], int]
    place: Callable[[str], int]
    """By which Kafka's own clients place a key, 31 bits."""
