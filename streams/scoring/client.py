"""Asks Triton for candidates: up to 32 users a request, requests overlapped, one deadline a call.

Called by the recommend stage: `score` for those who wait for their slate, `score_late` for those
who do not any more. Whatever Triton does, both return in time and say for each user what came of
it; they never raise for a server. A server that was away is asked again by itself. Where there are
several, `asking` says who gets a request and `replicas` in which order.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from itertools import chain
from typing import TypeVar

from schemas.serving import MAX_USERS, MODEL
from streams.scoring import balancing
from streams.scoring.asking import Asking
from streams.scoring.candidates import Scored, Wanted
from streams.scoring.encode import encode
from streams.scoring.replicas import Replicas
from streams.scoring.transport import Request, Transport

_T = TypeVar("_T")

IN_FLIGHT = 8
"""Requests at once, all calls together: keeps a few servers busy without filling their queues."""
LATE_IN_FLIGHT = 3
"""Of them, for users nobody waits for: one is computed, one waits for that, and one is on its way
or its answer is made into slates; with two, Triton is idle a fifth of a backlog. Whoever does wait
has no more than these before him in Triton's queue.
"""
HEDGES = 0.1
"""Second requests, as a share of the first ones; a p95 asks for half of it."""


class Scorer:
    """`endpoints` are host:port of gRPC. Made and used in one event loop."""

    def __init__(
        self,
        endpoints: Sequence[str],
        model: str = MODEL,
        in_flight: int = IN_FLIGHT,
        policy: balancing.Name = "round_robin",
        hedges: float = HEDGES,
    ) -> None:
        if not endpoints:
            raise ValueError("TIDEMILL_TRITON names no endpoint")
        self._replicas = Replicas(endpoints, policy, hedges)
        self._transport = Transport(model)
        self._asking = Asking(self._replicas, self._transport.send, time.monotonic)
        self._by_user = policy == "user" and len(endpoints) > 1
        self._slots = asyncio.Semaphore(in_flight)
        self._late_slots = asyncio.Semaphore(LATE_IN_FLIGHT)

    @property
    def is_away(self) -> bool:
        """Whether a request would not even be sent now, not as a probe either."""
        now_s = time.monotonic()
        return all(replica.circuit.shuts_out(now_s) for replica in self._replicas.all)

    @property
    def is_failing(self) -> bool:
        """Whether no server answers, as far as is known; one may be asked as a probe."""
        return not self._replicas.standing

    def expects(self, deadline_ms: float) -> bool:
        """Whether some server may well answer within `deadline_ms`."""
        return any(replica.circuit.expects(deadline_ms) for replica in self._replicas.all)

    async def score(
        self, wanted: Sequence[Wanted], version: str, deadline_ms: float
    ) -> list[Scored]:
        """What came of each user, in the order given. Returns after `deadline_ms` at the latest.

        All users are scored by `version` of the model and by no other.
        """
        if deadline_ms <= 0:
            return [Scored([], "deadline")] * len(wanted)
        ends_at_s = time.monotonic() + deadline_ms / 1000
        return await self._in_requests(
            wanted,
            lambda users: self._score_request(users, version, ends_at_s, is_late=False),
        )

    async def score_late(
        self, wanted: Sequence[Wanted], version: str, begin_ms: float, request_ms: float
    ) -> list[Scored]:
        """The same for users nobody waits for: the requests that can begin within `begin_ms`, each
        given `request_ms`. It is never held against Triton that more were wanted of it than it can
        do in that time: whose request did not begin has the failure "deadline".
        """
        begin_by_s = time.monotonic() + begin_ms / 1000
        return await self._in_requests(
            wanted,
            lambda users: self._score_late_request(users, version, begin_by_s, request_ms),
        )

    async def close(self) -> None:
        self._asking.close()
        await self._transport.close()

    async def _in_requests(
        self,
        wanted: Sequence[Wanted],
        score: Callable[[Sequence[Wanted]], Awaitable[list[Scored]]],
    ) -> list[Scored]:
        if not self._by_user:
            requests = _chunks(wanted)
            return list(chain.from_iterable(await asyncio.gather(*map(score, requests))))
        places = list(chain.from_iterable(map(_chunks, self._places_by_server(wanted))))
        requests = [[wanted[place] for place in chunk] for chunk in places]
        found = zip(
            chain.from_iterable(places),
            chain.from_iterable(await asyncio.gather(*map(score, requests))),
            strict=True,
        )
        return [scored for _, scored in sorted(found, key=lambda placed: placed[0])]

    def _places_by_server(self, wanted: Sequence[Wanted]) -> Iterable[list[int]]:
        """Those whose request goes to the same server first."""
        now_s = time.monotonic()
        places: dict[str, list[int]] = defaultdict(list)
        for place, user in enumerate(wanted):
            standing, ejected = self._replicas.in_order(user.user_id, now_s)
            places[(standing or ejected)[0].name].append(place)
        return places.values()

    async def _score_late_request(
        self, wanted: Sequence[Wanted], version: str, begin_by_s: float, request_ms: float
    ) -> list[Scored]:
        try:
            async with asyncio.timeout(begin_by_s - time.monotonic()):
                await self._late_slots.acquire()
        except TimeoutError:
            return [Scored([], "deadline")] * len(wanted)
        try:
            ends_at_s = time.monotonic() + request_ms / 1000
            return await self._score_request(wanted, version, ends_at_s, is_late=True)
        finally:
            self._late_slots.release()

    async def _score_request(
        self, wanted: Sequence[Wanted], version: str, ends_at_s: float, *, is_late: bool
    ) -> list[Scored]:
        try:
            async with asyncio.timeout(ends_at_s - time.monotonic()):
                async with self._slots:
                    request = Request(wanted, encode(wanted), version, is_late)
                    answer = await self._asking.ask(request, ends_at_s)
        except TimeoutError:
            answer = "deadline"
        if isinstance(answer, str):
            return [Scored([], answer)] * len(wanted)
        return answer


def _chunks(of: Sequence[_T]) -> list[Sequence[_T]]:
    return [of[at : at + MAX_USERS] for at in range(0, len(of), MAX_USERS)]
