"""Recommendations by their headers, and records of ownership, for tests of those who read them."""

from typing import NamedTuple

from schemas.control import Ownership, PastEpoch
from schemas.recommendations import AnswerHeaders, CauseKey
from streams.region.copies import Copy
from tests.streams.control_copies import copy_of


class Answer(NamedTuple):
    """An answer of kim's, unless it says otherwise."""

    cause_ms: int
    event_id: str = ""
    epoch: int = 16
    user: str = "kim"
    surface: str = "main"
    origin: str = "east"
    partition: int = 0

    @property
    def event(self) -> str:
        return self.event_id or f"e{self.cause_ms}"

    @property
    def headers(self) -> AnswerHeaders:
        cause = CauseKey(self.cause_ms, self.event, self.surface)
        return AnswerHeaders(
            origin=self.origin, epoch=self.epoch, cause=cause, answered_before_ms=0
        )


def owned(epoch: int, owner: str = "east", *past: PastEpoch, origin: str = "east") -> Copy:
    record = Ownership(origin=origin, epoch=epoch, owner=owner, past=list(past), command_id="test")
    return copy_of(record, key=origin)


def ended(epoch: int, fence_ms: int | None, owner: str = "east") -> PastEpoch:
    return PastEpoch(epoch=epoch, owner=owner, fences={} if fence_ms is None else {0: fence_ms})
