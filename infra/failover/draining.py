"""When an origin is drained: what its owner has yet to do, and what the one that takes it over has
yet to hear and to fold, up to ends that are looked at once.

Events go on coming while an origin drains, so the ends are those of the moment after the draining
record was written. What comes behind them is asked of the next owner. Called by the commands of
this package.
"""

import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

from infra import lag
from infra.failover.mirrored import last_behind, mirrored_to
from infra.failover.problems import FailoverError, TimeoutPassedError
from infra.failover.reach import Reach
from schemas.topics import RECOMMENDATIONS, USER_EVENTS, mirrored_name
from streams.settings import Settings

T = TypeVar("T")

_LOOK_S = 0.1
Left = Mapping[int, int]
"""Partition -> records."""


@dataclass
class Drain:
    """Of the events of `origin`, from `owner` to `taker`; both and the origin must answer."""

    reach: Reach
    origin: str
    owner: str
    taker: str
    _ends: Left | None = None
    _copies: dict[str, Left] = field(default_factory=dict)
    _answers: Left | None = None

    def begin(self) -> None:
        """Look at the ends. Call it behind the draining record. Raises FailoverError."""
        self._ends = self._ask(self.origin, lambda s: last_behind(s, USER_EVENTS.name))

    def undrained(self) -> dict[int, int]:
        """What the owner has yet to process. Raises FailoverError."""
        return self._to_fold(self.owner)

    def left(self) -> str | None:
        """What is waited for now, in a sentence; None once all is drained. Each step is looked at
        only when the one before is done. Raises FailoverError.
        """
        regions = (self.owner, self.taker)
        with ThreadPoolExecutor(len(regions)) as pool:
            to_fold = pool.map(lambda region: sum(self._to_fold(region).values()), regions)
            for region, left in zip(regions, to_fold, strict=True):
                if left:
                    return f"{region} has {left} records of {self.origin} yet to process"
        if self._answers is None:
            self._answers = self._ask(self.owner, lambda s: last_behind(s, RECOMMENDATIONS.name))
        crossed = self._ask(self.taker, lambda s: mirrored_to(s, self.owner, RECOMMENDATIONS))
        if left := sum(_between(crossed, self._answers).values()):
            return f"{left} recommendations of {self.owner} are yet to reach {self.taker}"
        return None

    def wait(self, timeout_s: float, told: Callable[[str], None] = lambda _: None) -> None:
        """Raises TimeoutPassedError, FailoverError."""
        ends = time.monotonic() + timeout_s
        while (left := self.left()) is not None:
            if time.monotonic() > ends:
                raise TimeoutPassedError(
                    f"{self.origin} is not drained after {timeout_s:.0f} s: {left}. It is draining"
                    " and nobody answers for it: run the command again to go on waiting, or"
                    f" `tidemill region promote {self.origin} --region REGION` to let"
                    f" {self.owner} go on or {self.taker} take it as it is"
                )
            told(left)
            time.sleep(_LOOK_S)

    def _to_fold(self, region: str) -> dict[int, int]:
        """What a region has not mirrored, or not folded, up to the ends."""
        assert self._ends is not None, "begin comes first"
        if region == self.origin:
            return _between(self._applied(region, USER_EVENTS.name), self._ends)
        if region not in self._copies:
            mirrored = self._ask(region, lambda s: mirrored_to(s, self.origin, USER_EVENTS))
            missing = _between(mirrored, self._ends)
            if any(missing.values()):
                return missing
            copy = mirrored_name(self.origin, USER_EVENTS)
            self._copies[region] = self._ask(region, lambda s: last_behind(s, copy))
        topic = mirrored_name(self.origin, USER_EVENTS)
        return _between(self._applied(region, topic), self._copies[region])

    def _applied(self, region: str, topic: str) -> Left:
        applied = self._ask(region, lag.applied)
        return {partition: offset for (name, partition), offset in applied.items() if name == topic}

    def _ask(self, region: str, question: Callable[[Settings], T]) -> T:
        answer = self.reach.asked(region, question)
        if answer is None:
            raise FailoverError(
                f"the cluster of {region} does not answer, so nobody can tell whether"
                f" {self.origin} is drained; `--peer {region}=HOST:PORT` says where it is, and"
                f" where it is gone, `tidemill region promote {self.origin} --force REASON` goes on"
                " without it"
            )
        return answer


def _between(at: Left, ends: Left) -> dict[int, int]:
    return {partition: max(0, end - at.get(partition, 0)) for partition, end in ends.items()}
