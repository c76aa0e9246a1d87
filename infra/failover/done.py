"""What a command did, or would do: the document that `--json` prints."""

import time
from collections.abc import Callable
from typing import Literal

import msgspec

from infra.failover.heads import Heads
from infra.failover.tail import Partition
from schemas.control import Ownership

State = Literal["done", "already", "dry run"]
Peer = Literal["has it", "pending"]


class Head(msgspec.Struct, frozen=True, kw_only=True):
    epoch: int
    owner: str
    draining: bool
    command_id: str


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """`seconds` since the command began, when the step was done."""

    step: str
    seconds: float


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """`epoch`, `owner`, `draining`: what holds now, or would. `refused`: why it would not be done,
    of a dry run; `overruled`: what was, by `reason`. `heads`: what each cluster that answered knew
    before; `peer`: whether it knows by now, None where that is not asked.
    """

    command: str
    command_id: str | None
    origin: str
    region: str
    state: State
    epoch: int
    ended_epoch: int | None
    owner: str
    draining: bool
    reason: str | None
    overruled: list[str] = []
    refused: list[str] = []
    fences: dict[int, int] = {}
    tail: list[Partition] = []
    tail_age_s: float | None = None
    heads: dict[str, Head | None] = {}
    peer: Peer | None = None
    steps: list[Step] = []
    seconds: float = 0.0


class Progress:
    """The steps of a command as they are done, each told at once."""

    def __init__(self, tell: Callable[[str], None] = lambda _: None) -> None:
        self._begun_s = time.monotonic()
        self._tell = tell
        self.steps: list[Step] = []

    @property
    def seconds(self) -> float:
        return round(time.monotonic() - self._begun_s, 2)

    def did(self, step: str) -> None:
        self.steps.append(Step(step=step, seconds=self.seconds))
        self._tell(f"{self.seconds:6.2f} s  {step}")


def done(command: str, region: str, state: State, record: Ownership, before: Heads) -> Done:
    """`record` is what holds now, or would; the rest is filled in by the command."""
    return Done(
        command=command, command_id=record.command_id, origin=record.origin, region=region,
        state=state, epoch=record.epoch, ended_epoch=None, owner=record.owner,
        draining=record.draining, reason=record.reason,
        heads={name: _head(head) for name, head in before.by_region.items()},
    )  # fmt: skip


def _head(record: Ownership | None) -> Head | None:
    if record is None:
        return None
    return Head(
        epoch=record.epoch,
        owner=record.owner,
        draining=record.draining,
        command_id=record.command_id,
    )
