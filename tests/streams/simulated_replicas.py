"""Servers that are slow, stopped or dead from one second to another, on a simulated clock.

The code under test is the real choice among servers with its hedging; only sockets and time are
not. Seconds pass as soon as everybody waits.
"""

import asyncio
import selectors
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

from schemas.state import EMPTY
from streams.scoring.asking import Asking
from streams.scoring.balancing import Name
from streams.scoring.candidates import Failure, Wanted
from streams.scoring.replicas import Replicas
from streams.scoring.transport import Answer, RanOutError, RefusedError, Request

DEADLINE_S = 0.125
"""What an ask has at least: half of the default."""


class _Selector(selectors.DefaultSelector):
    """Whoever would wait for time to pass makes it pass."""

    now_s = 0.0

    def select(self, timeout: float | None = None) -> Any:
        found = super().select(0)
        if not found:
            assert timeout is not None, "everybody waits, and nobody for a time"
            self.now_s += timeout
        return found


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._passing = _Selector()
        super().__init__(self._passing)

    def time(self) -> float:
        return self._passing.now_s


def simulated(program: Callable[[], Awaitable[None]]) -> None:
    with asyncio.Runner(loop_factory=_Loop) as runner:
        runner.run(program())


@dataclass
class Server:
    """Answers in 8 to 12 ms, as one of its kind that is healthy does."""

    chance: Random
    slower: float = 1.0
    is_dead: bool = False
    goes_on: asyncio.Event = field(default_factory=asyncio.Event)
    """Not set: it is stopped."""
    asked_at_s: list[float] = field(default_factory=list)
    answers: int = 0

    def __post_init__(self) -> None:
        self.goes_on.set()

    async def answer(self) -> Answer:
        self.asked_at_s.append(asyncio.get_running_loop().time())
        if self.is_dead:
            raise RefusedError("unavailable", "nobody is there")
        await asyncio.sleep(self.slower * self.chance.uniform(0.008, 0.012))
        await self.goes_on.wait()
        self.answers += 1
        return [[]]

    def asked_between(self, begin_s: float, end_s: float) -> int:
        return sum(begin_s <= at_s < end_s for at_s in self.asked_at_s)


@dataclass(frozen=True)
class Asked:
    """One request of one user: when, how long it took and what came of it."""

    at_s: float
    took_s: float
    failure: Failure | None


class Shop:
    """Two servers, `sound` and `shaky`, and one who asks them. Made in the simulated loop."""

    def __init__(self, policy: Name, hedges: float = 0.1, seed: int = 1) -> None:
        chance = Random(seed)
        self.servers = {name: Server(chance) for name in ("sound", "shaky")}
        self.replicas = Replicas(list(self.servers), policy, hedges, chance)
        self.loop = asyncio.get_running_loop()
        self.asking = Asking(self.replicas, self._send, self.loop.time)
        self.asked: list[Asked] = []
        self.sent = 0

    @property
    def sound(self) -> Server:
        return self.servers["sound"]

    @property
    def shaky(self) -> Server:
        return self.servers["shaky"]

    async def crowd(self, until_s: float, every_s: float = 0.01) -> None:
        """Requests at a steady rate, whatever becomes of them; each of another user."""
        asks = []
        while (now_s := self.loop.time()) < until_s:
            asks.append(asyncio.create_task(self.ask(f"user-{len(self.asked)}-{now_s}")))
            await asyncio.sleep(every_s)
        await asyncio.gather(*asks)

    async def ask(
        self, user: str, deadline_s: float = DEADLINE_S, *, is_late: bool = False
    ) -> None:
        began_s = self.loop.time()
        request = Request([Wanted(EMPTY, 1, (), user)], {}, "1", is_late)
        try:
            async with asyncio.timeout(deadline_s):
                answer = await self.asking.ask(request, began_s + deadline_s)
        except TimeoutError:
            answer = "deadline"
        failure = answer if isinstance(answer, str) else None
        self.asked.append(Asked(began_s, self.loop.time() - began_s, failure))

    async def _send(self, endpoint: str, request: Request, left_s: float) -> Answer:
        assert len(request.wanted) == 1
        self.sent += 1
        try:
            async with asyncio.timeout(left_s):
                return await self.servers[endpoint].answer()
        except TimeoutError:
            raise RanOutError from None
