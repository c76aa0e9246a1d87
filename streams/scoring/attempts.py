"""One request to one server: its circuit told what came of it, its time measured and shown.

Called by `asking`. The clock and what sends are given, so both run on a simulated clock too.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Protocol

from streams import metrics
from streams.scoring.candidates import Failure
from streams.scoring.replica import Replica
from streams.scoring.replicas import Replicas
from streams.scoring.transport import Answer, RanOutError, RefusedError, Request

log = logging.getLogger(__name__)

Clock = Callable[[], float]
"""Monotonic, in seconds."""


class Sending(Protocol):
    def __call__(self, endpoint: str, request: Request, left_s: float) -> Awaitable[Answer]:
        """Raises RefusedError and RanOutError."""


class Attempts:
    def __init__(self, replicas: Replicas, send: Sending, clock: Clock) -> None:
        self._replicas = replicas
        self._send = send
        self._clock = clock
        self._said: dict[str, str] = {}

    async def attempt(
        self, replica: Replica, request: Request, ends_at_s: float, slow_s: float | None
    ) -> Answer | Failure:
        """`slow_s`: what `Replicas.slow_after_s` says of the request."""
        began_s = self._clock()
        left_s = ends_at_s - began_s
        metrics.SCORED_USERS.observe(len(request.wanted))
        number = replica.begin(began_s)
        self._show(replica)
        outcome = "cancelled"
        try:
            answer = await self._send(replica.name, request, left_s)
        except RefusedError as error:
            outcome = error.outcome
            replica.circuit.refused(self._clock())
            self._failed(replica, str(error))
            return "unavailable"
        except RanOutError:
            outcome = "deadline"
            self._ran_out(replica, began_s, left_s)
            return "deadline"
        except asyncio.CancelledError:
            # The deadline of the call, a moment before gRPC's own; or another server was faster;
            # or the worker stops.
            now_s = self._clock()
            if now_s >= ends_at_s:
                outcome = "deadline"
                self._ran_out(replica, began_s, left_s)
            elif slow_s is not None and now_s - began_s >= slow_s:
                outcome = "slow"
                self._replicas.is_overdue(replica, now_s - began_s, now_s)
            raise
        else:
            outcome = "ok"
            self._answered(replica, request, self._clock() - began_s, slow_s)
            return answer
        finally:
            replica.end(number)
            self._show(replica)
            metrics.SCORING_SECONDS.labels(replica.name, outcome).observe(self._clock() - began_s)

    def _answered(
        self, replica: Replica, request: Request, seconds: float, slow_s: float | None
    ) -> None:
        now_s = self._clock()
        if request.is_late:
            replica.latencies.weighed(seconds, now_s)
        else:
            replica.latencies.answered(seconds, now_s)
        self._replicas.answered(replica, seconds, now_s, slow_s)
        self._said.pop(replica.name, None)

    def _ran_out(self, replica: Replica, began_s: float, left_s: float) -> None:
        """Where this process itself did not run for a while (stopped, swapped out), what became of
        a request says nothing about its server.
        """
        now_s = self._clock()
        if now_s - began_s <= 2 * left_s:
            replica.circuit.ran_out(now_s, left_s * 1000)
            replica.latencies.weighed(now_s - began_s, now_s)

    def _failed(self, replica: Replica, sentence: str) -> None:
        """Says each new failure once; a dead server fails every second."""
        if sentence != self._said.get(replica.name):
            log.warning("triton %s: %s", replica.name, sentence)
        self._said[replica.name] = sentence

    def _show(self, replica: Replica) -> None:
        metrics.TRITON_IN_FLIGHT.labels(replica.name).set(replica.in_flight)
        metrics.TRITON_EJECTED.labels(replica.name).set(replica.circuit.open)
        metrics.TRITON_LATENCY.labels(replica.name).set(replica.latencies.mean_s(self._clock()))
