"""One of the servers that could answer, as the choice among them sees it. No socket, no clock."""

from streams.scoring.circuit import Circuit
from streams.scoring.latencies import Latencies

_LEAST_S = 0.0005
"""Nothing is so fast that others would get nothing at all."""


class Replica:
    def __init__(self, name: str) -> None:
        self.name = name
        self.circuit = Circuit()
        self.latencies = Latencies()
        self._begun: dict[int, float] = {}
        self._number = 0

    @property
    def in_flight(self) -> int:
        return len(self._begun)

    def begin(self, now_s: float) -> int:
        """A request is on its way; its number is for `end`."""
        self._number += 1
        self._begun[self._number] = now_s
        return self._number

    def end(self, number: int) -> None:
        del self._begun[number]

    def cost_s(self, now_s: float) -> float:
        """About how long one more request takes: the mean, or what the oldest on its way has taken
        already, for each that is before it.
        """
        oldest_s = now_s - next(iter(self._begun.values()), now_s)
        return max(self.latencies.mean_s(now_s), oldest_s, _LEAST_S) * (self.in_flight + 1)
