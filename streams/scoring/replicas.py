"""The servers that could answer: in which order one request tries them, and what each is held to.

Called by `asking`, which tells what came of each request. Those that stand (their circuit is
closed) are ordered by the balancing; ejected ones come last, and while another stands they get
copies of requests as probes, which cost nobody his slate. The last that stands is never ejected for
being slow. Pure: the caller gives the time, and its own generator of chance.
"""

from collections.abc import Sequence
from random import Random

from streams.scoring import balancing
from streams.scoring.budget import Budget
from streams.scoring.circuit import FAIR_DEADLINE_MS
from streams.scoring.replica import Replica

_SLOW = 3
"""Times the best p95: a server half as fast as another is still of use."""
_SOONEST_S = 0.005
"""Before that no second request: a pause of this process looks the same."""
_SLOW_LATE_S = 1.0
"""For requests nobody waits for: these are larger, and a second one gains nobody anything but a
way around a server that is stuck.
"""


class Replicas:
    """`hedges`: second requests allowed, as a share of the first ones."""

    def __init__(
        self,
        names: Sequence[str],
        policy: balancing.Name = "round_robin",
        hedges: float = 0.0,
        chance: Random | None = None,
    ) -> None:
        self.all = [Replica(name) for name in names]
        self.budget = Budget(hedges)
        self._order = balancing.balancing(policy, chance or Random())  # noqa: S311 - no secret

    @property
    def standing(self) -> list[Replica]:
        return [replica for replica in self.all if not replica.circuit.open]

    def in_order(self, user: str, now_s: float) -> tuple[list[Replica], list[Replica]]:
        """Those to ask for this user, and those to ask if none of them answers."""
        standing = self.standing
        ejected = [replica for replica in self.all if replica.circuit.open]
        if not standing:
            return [], self._order(ejected, user, now_s)
        return self._order(standing, user, now_s), ejected

    def copy_to(self, now_s: float) -> Replica | None:
        """An ejected one that is to be tried with a copy of what is sent now."""
        if not self.standing:
            return None
        due = (replica for replica in self.all if replica.circuit.is_due_a_probe(now_s))
        return next(due, None)

    def hedge_after_s(self, left_s: float, *, is_late: bool) -> float:
        """When a request without an answer is sent to another server too: at the p95 of the best
        server (one that is slow must not raise what it is measured by), half the time at most.
        """
        half_s, best_s = left_s / 2, self._best_p95_s()
        if best_s is None:
            return half_s
        return min(half_s, max(best_s, _SLOW_LATE_S if is_late else _SOONEST_S))

    def slow_after_s(self, *, is_late: bool) -> float | None:
        """From when on an answer is slow; None: not known yet."""
        best_s = self._best_p95_s()
        if best_s is None:
            return None
        return max(_SLOW * best_s, _SLOW_LATE_S if is_late else FAIR_DEADLINE_MS / 1000)

    def answered(
        self, replica: Replica, seconds: float, now_s: float, slow_s: float | None
    ) -> None:
        """`slow_s`: what `slow_after_s` said when the request was sent."""
        circuit = replica.circuit
        if slow_s is not None and seconds > slow_s and self._another_is_prompt(replica):
            circuit.was_slow(now_s)
        elif circuit.open and self.standing:
            circuit.proved(now_s)
            if not circuit.open:
                replica.latencies.begins_anew()
        else:
            circuit.succeeded()

    def is_overdue(self, replica: Replica, seconds: float, now_s: float) -> None:
        """Another one answered this very request meanwhile, this one has not yet."""
        replica.latencies.weighed(seconds, now_s)
        replica.circuit.was_slow(now_s)

    def _another_is_prompt(self, replica: Replica) -> bool:
        """Where all are slow the load is too high, or this process did not run: nobody's fault."""
        return any(other.circuit.is_prompt for other in self.all if other is not replica)

    def _best_p95_s(self) -> float | None:
        known = (replica.latencies.p95_s for replica in self.standing)
        return min((p95_s for p95_s in known if p95_s is not None), default=None)
