"""What a prober remembers of one region: when it looked, when it heard, where the events ended.

Pure: times are handed in, seconds of one clock that never steps. Safe to call from several threads.
"""

import threading
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from streams.region.detection import FRESH_S, View, rates

Way = Literal["kafka", "mirror"]
"""How a region is heard: its Kafka answers, or its heartbeats come through the mirror."""
_RATE_OVER = 10
"""Samples: two seconds of them."""


class Sample(NamedTuple):
    """The ends of a region's `user-events` as they were at `at_s` or later, and the records a
    second of each partition; no rates where it is the first.
    """

    at_s: float
    ends: dict[int, int]
    rates: dict[int, float]


def newest(samples: Iterable[Sample | None]) -> Sample | None:
    """Of several probers; one that has begun just now and knows no rate comes last."""
    found = (one for one in samples if one is not None)
    return max(found, default=None, key=lambda one: (bool(one.rates), one.at_s))


@dataclass
class _Looks:
    """By one way; see `View`."""

    since_s: float
    looked_s: float
    heard_s: float | None = None


class Seen:
    """Of one region. `ways`: by which it can be heard at all."""

    def __init__(self, observer: str, ways: tuple[Way, ...], now_s: float) -> None:
        self._observer = observer
        self._looks = {way: _Looks(now_s, now_s) for way in ways}
        self._samples: deque[tuple[float, dict[int, int]]] = deque(maxlen=_RATE_OVER)
        self._lock = threading.Lock()

    def looked(self, way: Way, began_s: float, heard_s: float | None) -> None:
        """A look that began then is over; `heard_s`: when it was over, if the region was heard.
        Behind a break in the looks silence is counted anew: who was asleep has not heard anybody.
        """
        with self._lock:
            known = self._looks[way]
            if began_s - known.looked_s > FRESH_S:
                known.since_s = began_s
            known.looked_s = began_s
            if heard_s is not None:
                known.heard_s = heard_s

    def sampled(self, at_s: float, ends: Mapping[int, int]) -> None:
        """Where the events ended, by a look that began at `at_s`."""
        with self._lock:
            self._samples.append((at_s, dict(ends)))

    @property
    def view(self) -> View:
        """All ways together: blind where one of them is, hearing where one of them does."""
        with self._lock:
            looks = [replace(one) for one in self._looks.values()]
        heard_s = [one.heard_s for one in looks if one.heard_s is not None]
        return View(
            observer=self._observer,
            since_s=max(one.since_s for one in looks),
            looked_s=min(one.looked_s for one in looks),
            heard_s=max(heard_s, default=None),
        )

    @property
    def heard_s(self) -> dict[Way, float]:
        """By each way by which it was heard."""
        with self._lock:
            return {way: one.heard_s for way, one in self._looks.items() if one.heard_s is not None}

    @property
    def sample(self) -> Sample | None:
        """The newest; None where there is none yet."""
        with self._lock:
            if not self._samples:
                return None
            (first_s, first), (last_s, last) = self._samples[0], self._samples[-1]
        passed_s = last_s - first_s
        return Sample(last_s, last, rates(first, last, passed_s) if passed_s > 0 else {})
