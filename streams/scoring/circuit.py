"""When to leave a server alone: a dead one must not cost every batch its deadline.

After a few failures in a row it is ejected: only one request a second goes to it, as a probe. So it
is after a longer row of answers that came much later than another server gives them; who calls
(`replicas`) knows of the others. The first success closes the circuit where nobody stands in for
the server; else the probes are copies that nobody waits for, and it comes back once a few in a row
were answered in time: its probation. Pure: the caller gives the time.
"""

FAILURES_TO_OPEN = 3
"""One failure may be chance, and ten would be ten batches of fallbacks."""
SLOW_TO_OPEN = 5
"""Answers in a row that were slow: each may be chance, and costs nobody his slate."""
PROBE_EVERY_S = 1.0
"""So a server that returns is noticed within about a second."""
PROBATION_ANSWERS = 3
"""In a row, to copies: what was stopped and goes on answers one by luck."""
PROBATION_EVERY_S = 0.1
"""Between these: back within half a second of the first."""
FAIR_DEADLINE_MS = 50
"""Running out of less says nothing about the server: a good answer takes 5-30 ms."""


class Circuit:
    """One server's. All times come from one monotonic clock."""

    def __init__(self) -> None:
        self._failures = 0
        self._slow = 0
        self._proofs = 0
        self._open = False
        self._next_probe_s = 0.0
        self._longest_wait_ms: float | None = 0.0

    @property
    def open(self) -> bool:
        return self._open

    @property
    def is_prompt(self) -> bool:
        """Whether its newest answer was one, and not slow."""
        return not (self._failures or self._slow or self._open)

    @property
    def is_only_slow(self) -> bool:
        """Ejected, but whatever it was asked it answered in the end."""
        return self._open and not self._failures

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
        return self.is_due_a_probe(now_s)

    def is_due_a_probe(self, now_s: float) -> bool:
        """Whether an ejected server is to be asked now; then not again for a while."""
        if not self.open or self.shuts_out(now_s):
            return False
        self._next_probe_s = now_s + PROBE_EVERY_S
        return True

    def succeeded(self) -> None:
        self._failures = self._slow = self._proofs = 0
        self._longest_wait_ms = 0.0
        self._open = False

    def proved(self, now_s: float) -> None:
        """An ejected server answered a copy in time."""
        self._proofs += 1
        self._next_probe_s = now_s + PROBATION_EVERY_S
        if self._proofs >= PROBATION_ANSWERS:
            self.succeeded()

    def was_slow(self, now_s: float) -> None:
        """An answer, or none yet, when another server would have given one long since."""
        self._slow += 1
        self._proofs = 0
        if self._slow >= SLOW_TO_OPEN:
            self._eject(now_s)

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
        self._proofs = 0
        if self._failures >= FAILURES_TO_OPEN:
            self._eject(now_s)

    def _eject(self, now_s: float) -> None:
        if not self._open:
            self._open = True
            self._next_probe_s = now_s + PROBE_EVERY_S
