"""How soon one server answers: the p95 of its recent answers, and a mean that rises at once.

The p95 says when a second request to another server is worth its cost (hedging); the mean weighs
servers against each other. It is a peak EWMA as Finagle's balancer has it: a slower answer than
the mean is the mean from then on, faster ones bring it down over seconds, and so does time without
any; so one that became slow loses its share at once and is tried again with care. Pure: the caller
gives the time.
"""

import math
from collections import deque

_RECENT = 128
"""Answers: under load some seconds, and few enough to be sorted now and then."""
_ENOUGH = 20
"""Of fewer, nobody can say what 95 of 100 would be."""
_SORT_EVERY = 8
"""Answers; a p95 does not change with each."""
_DECAY_S = 5.0
"""A slow answer weighs a third after that."""
UNKNOWN_S = 0.02
"""Of a server that has not answered yet: what a good one takes."""


class Latencies:
    def __init__(self) -> None:
        self._recent: deque[float] = deque(maxlen=_RECENT)
        self._since_sorted = 0
        self._p95_s: float | None = None
        self._mean_s: float | None = None
        self._at_s = 0.0

    @property
    def p95_s(self) -> float | None:
        """None: it is not known yet."""
        return self._p95_s

    def mean_s(self, now_s: float) -> float:
        return UNKNOWN_S if self._mean_s is None else self._mean_s * self._kept(now_s)

    def answered(self, seconds: float, now_s: float) -> None:
        self._recent.append(seconds)
        self._since_sorted += 1
        if len(self._recent) >= _ENOUGH and (
            self._p95_s is None or self._since_sorted >= _SORT_EVERY
        ):
            ascending = sorted(self._recent)
            self._p95_s = ascending[math.ceil(0.95 * len(ascending)) - 1]
            self._since_sorted = 0
        self.weighed(seconds, now_s)

    def weighed(self, seconds: float, now_s: float) -> None:
        """Only the mean learns of it: an answer that nobody waited for, or one not yet there."""
        if self._mean_s is None or seconds > self._mean_s:
            self._mean_s = seconds
        else:
            kept = self._kept(now_s)
            self._mean_s = kept * self._mean_s + (1 - kept) * seconds
        self._at_s = now_s

    def begins_anew(self) -> None:
        """Its time away says nothing about what it takes now."""
        self._mean_s = None

    def _kept(self, now_s: float) -> float:
        return math.exp(-(now_s - self._at_s) / _DECAY_S)
