"""The late asks of one partition at the scorer: one call at a time, which outlasts batches.

A batch that holds late asks begins a call and waits for it a moment. What has no answer by then is
due, and a batch behind takes the answers when they are there: they count if the ask is still due
and its user's state is the same, so a slate is never made from less than what is committed with
it. Held by the partition, called by `deadlines`.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import msgspec

from streams.scoring.candidates import Scored, Wanted
from streams.scoring.patience import Patience
from streams.stages.asks import Ask


class Planned(msgspec.Struct, frozen=True, gc=False):
    """An ask to answer now, and who scores it; no version: nobody can."""

    ask: Ask
    wanted: Wanted
    limit: int
    version: str | None
    is_cold: bool


class Late:
    def __init__(self, lag_bound_s: float) -> None:
        self._patience = Patience(lag_bound_s)
        self._call: asyncio.Task[list[Scored]] | None = None
        self._called: Sequence[Planned] = ()

    @property
    def is_given_up(self) -> bool:
        """Whether the fallback answers late asks, until the partition has caught up."""
        return self._patience.is_over

    @property
    def is_waiting(self) -> bool:
        """Whether a call is under way: another batch would have nothing to add."""
        return self._call is not None and not self._call.done()

    def may_wait(self, lag_s: float | None) -> bool:
        """Asked once a batch; see streams/scoring/patience.py."""
        return self._patience.lasts(lag_s)

    async def score(
        self,
        planned: Sequence[Planned],
        call: Callable[[Sequence[Planned]], Coroutine[Any, Any, list[Scored]]],
        wait_s: float,
    ) -> list[Scored | None]:
        """What came of each; None: not scored yet. Takes `wait_s` at most."""
        if self._call is None:
            self._called = planned
            self._call = asyncio.create_task(call(planned))
            await asyncio.wait([self._call], timeout=wait_s)
        if not self._call.done():
            return [None] * len(planned)
        found = {
            _place(plan): (plan, scored)
            for plan, scored in zip(self._called, self._call.result(), strict=True)
            if not scored.failure
        }
        self._call, self._called = None, ()
        results: list[Scored | None] = []
        for plan in planned:
            called, scored = found.get(_place(plan), (None, None))
            results.append(scored if called and _is_same(called, plan) else None)
        return results

    def close(self) -> None:
        """The partition is given up."""
        if self._call is not None:
            self._call.cancel()


def _place(plan: Planned) -> tuple[str, int]:
    return plan.ask.topic, plan.ask.offset


def _is_same(one: Planned, other: Planned) -> bool:
    return (one.wanted, one.version) == (other.wanted, other.version)
