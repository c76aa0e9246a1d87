"""What a standby scores: a sample of the asks that another region answers.

It folds everything and publishes nothing, so its scorer would be cold when it is promoted, and
nobody would know whether it makes the slates that the owner makes. So the asks of a share of the
users are scored beside the batches, one call of a partition at a time: folding never waits for
it, and what comes while a call is under way is left out. The slates wait here, in bounded memory,
for the partition's next list on state-digests (streams/stages/digests.py); they are never
recommendations. Held by the partition, called by `recommend` in the event loop's thread.
"""

import asyncio
import heapq
import time
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Sequence, Sized
from typing import Any

from schemas.codec import encode
from schemas.control import SampledSlate
from schemas.serving import MAX_USERS
from streams import metrics
from streams.region.parity import is_sampled
from streams.settings import Settings
from streams.stages.asks import Ask, Place
from streams.stages.late import Planned

_AT_ONCE = MAX_USERS
"""One request."""
_WARM_S = 10.0
"""A partition that scored nobody for so long takes an ask of whoever comes next: a standby with
few users must not have a cold Triton because none of them is in the sample.
"""
_KEPT_BYTES = 100_000
"""Of slates as they are written; some hundred, of which the oldest go first."""

Score = Callable[[Sequence[Planned]], Coroutine[Any, Any, list[SampledSlate]]]


class Sample:
    """Of one partition."""

    def __init__(self, settings: Settings) -> None:
        # Without a peer nobody else answers, and nobody would compare.
        self.share = settings.sample_share if settings.peers else 0.0
        """Of the users who are in it."""
        self._call: asyncio.Task[None] | None = None
        self._made: deque[tuple[int, SampledSlate]] = deque()
        self._made_bytes = 0
        self._scored_s: float | None = None

    def takes(self, user_id: str, among: Sized) -> bool:
        """Whether an ask of this user is scored: he is in the sample, as he is in every region with
        this share; or the scorer grows cold and there is nobody `among` those taken so far.
        """
        if is_sampled(user_id, self.share):
            return True
        return not among and self.is_cold

    def begin(self, asks: dict[Place, Ask], plan: Callable[[Ask], Planned], score: Score) -> None:
        """Have the newest of a batch's asks scored; the states are those of this moment."""
        if not asks or (self._call is not None and not self._call.done()):
            return
        newest = heapq.nlargest(_AT_ONCE, asks.values(), key=lambda ask: ask.order)
        self._scored_s = time.monotonic()
        self._call = asyncio.create_task(self._score([plan(ask) for ask in newest], score))

    def take(self) -> list[SampledSlate]:
        """What was made since this was called last, oldest first."""
        made = [slate for _, slate in self._made]
        self._made.clear()
        self._made_bytes = 0
        return made

    def close(self) -> None:
        """The partition is given up."""
        if self._call is not None:
            self._call.cancel()

    @property
    def is_cold(self) -> bool:
        """Whether an ask of whoever comes is taken."""
        if not self.share:
            return False
        return self._scored_s is None or time.monotonic() - self._scored_s > _WARM_S

    async def _score(self, planned: Sequence[Planned], score: Score) -> None:
        self._keep(await score(planned))

    def _keep(self, slates: Iterable[SampledSlate]) -> None:
        for slate in slates:
            metrics.SAMPLED_SLATES.labels(slate.fallback or "none").inc()
            size = len(encode(slate))
            self._made.append((size, slate))
            self._made_bytes += size
        while self._made_bytes > _KEPT_BYTES:
            size, _ = self._made.popleft()
            self._made_bytes -= size
