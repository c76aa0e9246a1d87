"""When to leave a server alone: a dead one must not cost every batch its deadline.

After a few failures in a row only one request a second goes through, as a probe; the first
success closes the circuit. Pure: the caller gives the time.
"""

FAILURES_TO_OPEN = 3
"""One failure may be chance, and ten would be ten batches of fallbacks."""
PROBE_EVERY_S = 1.0
"""So a server that returns is noticed within about a second."""
FAIR_DEADLINE_MS = 50
"""Running out of less says nothing about the server: a good answer takes 5-30 ms."""


class Circuit:
    """One server's. All times come from one monotonic clock."""

    def __init__(self) -> None:
        self._failures = 0
        self._next_probe_s = 0.0
        self._longest_wait_ms: float | None = 0.0

    @property
    def open(self) -> bool:
        return self._failures >= FAILURES_TO_OPEN

    def expects(self, deadline_ms: float) -> bool:
        """Whether nothing speaks against an answer within `deadline_ms`. A server that is merely
        slow may answer whoever waits longer: asks that are late.
        """
        if self._failures == 0:
            return True
        return self._longest_wait_ms is not None and deadline_ms > 2 * self._longest_wait_ms

    def shuts_out(self, now_s: float) -> bool:
        """Whether not even a probe would be let through."""
        return self.open and now_s < self._next_probe_s

    def lets_through(self, now_s: float, deadline_ms: float) -> bool:
        """Whether a request that may take `deadline_ms` should be sent now."""
        if not self.open or self.expects(deadline_ms):
            return True
        if self.shuts_out(now_s):
            return False
        self._next_probe_s = now_s + PROBE_EVERY_S
        return True

    def succeeded(self) -> None:
        self._failures = 0
        self._longest_wait_ms = 0.0

    def ran_out(self, now_s: float, deadline_ms: float) -> None:
        """The server did not answer within `deadline_ms`."""
        if deadline_ms < FAIR_DEADLINE_MS:
            return
        if self._longest_wait_ms is not None:
            self._longest_wait_ms = max(self._longest_wait_ms, deadline_ms)
        self._failed(now_s)

    def refused(self, now_s: float) -> None:
        """There was no server, or its answer could not be used: waiting longer does not help."""
        self._longest_wait_ms = None
        self._failed(now_s)

    def _failed(self, now_s: float) -> None:
        self._failures += 1
        if self._failures == FAILURES_TO_OPEN:
            self._next_probe_s = now_s + PROBE_EVERY_S
