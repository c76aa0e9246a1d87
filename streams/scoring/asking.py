"""One request until one server answers it: another one where the first fails or takes too long.

    sent to the first ── answers ─────────────────────────────────────────► its answer
        │    └─ fails ──► the next one
        └─ nothing by the p95 ──► a second one too, if the budget allows ──► whoever is first

A first server that was overtaken goes on being waited for until it counts as slow: what it does is
all that is known of it. An ejected one gets a copy now and then, and nobody waits for that. Called
by `client`, which ends it at the ask's deadline.
"""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from itertools import chain
from typing import Any

from streams import metrics
from streams.scoring.attempts import Attempts, Clock, Sending
from streams.scoring.candidates import Failure
from streams.scoring.replica import Replica
from streams.scoring.replicas import Replicas
from streams.scoring.transport import Answer, Request

COPY_DEADLINE_S = 1.0
"""For an ejected server to answer a copy; one that needs longer is of no use to people."""

_MARGIN_S = 0.001
"""Timers are not exact: when it is up, the bound must be behind it."""

_Attempt = asyncio.Task[Answer | Failure]


@dataclass
class _Race:
    """One request, and who may be asked for it still; `slow_s` as Replicas.slow_after_s says."""

    request: Request
    ends_at_s: float
    slow_s: float | None
    standing: list[Replica]
    ejected: list[Replica]


class Asking:
    def __init__(self, replicas: Replicas, send: Sending, clock: Clock) -> None:
        self._replicas = replicas
        self._attempts = Attempts(replicas, send, clock)
        self._clock = clock
        self._unawaited: set[_Attempt] = set()

    async def ask(self, request: Request, ends_at_s: float) -> Answer | Failure:
        """Cancelled by the caller at `ends_at_s`, of the clock that was given."""
        now_s = self._clock()
        self._replicas.budget.request()
        slow_s = self._replicas.slow_after_s(is_late=request.is_late)
        if (ejected := self._replicas.copy_to(now_s)) is not None:
            self._let_go(self._attempts.attempt(ejected, request, now_s + COPY_DEADLINE_S, slow_s))
        user = request.wanted[0].user_id
        race = _Race(request, ends_at_s, slow_s, *self._replicas.in_order(user, now_s))
        if len(self._replicas.all) > 1:
            return await self._raced(race)
        replica = self._next(race)
        return "unavailable" if replica is None else await self._attempt(race, replica)

    def close(self) -> None:
        for task in self._unawaited:
            task.cancel()

    async def _raced(self, race: _Race) -> Answer | Failure:
        began_s = self._clock()
        left_s = race.ends_at_s - began_s
        hedge_s = self._replicas.hedge_after_s(left_s, is_late=race.request.is_late)
        hedge: _Attempt | None = None
        running: set[_Attempt] = set()
        failure: Failure = "unavailable"
        may_hedge = True
        try:
            while True:
                if not running:
                    replica = self._next(race)
                    if replica is None or failure == "deadline":
                        return failure
                    running = {asyncio.create_task(self._attempt(race, replica))}
                wait_s = max(0.0, began_s + hedge_s - self._clock()) if may_hedge else None
                done, running = await asyncio.wait(
                    running, timeout=wait_s, return_when=asyncio.FIRST_COMPLETED
                )
                if not done:
                    may_hedge = False
                    hedge = self._hedged(race)
                    running |= {hedge} if hedge else set()
                for attempt in done:
                    answer = attempt.result()
                    if not isinstance(answer, str):
                        if hedge is not None:
                            metrics.HEDGES.labels("won" if attempt is hedge else "lost").inc()
                        if attempt is hedge:
                            self._observe(running, race, began_s)
                            running = set()
                        return answer
                    failure = answer
        finally:
            for attempt in running:
                attempt.cancel()

    def _hedged(self, race: _Race) -> _Attempt | None:
        """A second attempt, at another server that stands; else at one that was slow: the first
        one may be stuck now.
        """
        other = next(
            chain(race.standing, (one for one in race.ejected if one.circuit.is_only_slow)), None
        )
        if other is None:
            return None
        if not self._replicas.budget.take():
            metrics.HEDGES.labels("refused").inc()
            return None
        (race.standing or race.ejected).remove(other)
        return asyncio.create_task(self._attempt(race, other))

    def _next(self, race: _Race) -> Replica | None:
        """An ejected one only where nobody else is left, and as its circuit allows."""
        if race.standing:
            return race.standing.pop(0)
        now_s = self._clock()
        while race.ejected:
            replica = race.ejected.pop(0)
            if replica.circuit.lets_through(now_s, (race.ends_at_s - now_s) * 1000):
                return replica
        return None

    def _attempt(self, race: _Race, replica: Replica) -> Coroutine[Any, Any, Answer | Failure]:
        return self._attempts.attempt(replica, race.request, race.ends_at_s, race.slow_s)

    def _observe(self, overtaken: set[_Attempt], race: _Race, began_s: float) -> None:
        """Wait for them until they are slow, or the time is over; nobody else does."""
        ends_s = race.ends_at_s
        if race.slow_s is not None:
            ends_s = min(ends_s, began_s + race.slow_s + _MARGIN_S)
        for attempt in overtaken:
            self._keep(attempt)
            asyncio.get_running_loop().call_later(max(0.0, ends_s - self._clock()), attempt.cancel)

    def _let_go(self, copy: Coroutine[Any, Any, Answer | Failure]) -> None:
        self._keep(asyncio.create_task(copy))

    def _keep(self, attempt: _Attempt) -> None:
        self._unawaited.add(attempt)
        attempt.add_done_callback(self._unawaited.discard)
