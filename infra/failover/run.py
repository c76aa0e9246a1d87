"""One call of a command: what the operator wished, and the steps that all commands share.

Called by `promote`, `demote` and `failback`, whose docstrings say what a crash between two steps
leaves behind.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

from infra import control
from infra.failover.done import Done, Peer, Progress, State, done
from infra.failover.heads import Heads, heads
from infra.failover.journal import Entry, Journal, continued
from infra.failover.problems import OvertakenError, RefusedCommandError, TimeoutPassedError
from infra.failover.reach import Reach
from infra.failover.writing import Writer
from schemas.control import Ownership
from streams.region.promotion import promoted
from streams.settings import Settings

_LOOK_S = 0.2


@dataclass(frozen=True, kw_only=True)
class Wish:
    """`force`: why it is to be done whatever speaks against it; `because`: what is recorded where
    nothing has to be overruled.
    """

    origin: str
    force: str | None = None
    because: str | None = None
    dry_run: bool = False
    wait_peer: bool = False
    timeout_s: float = 300.0


@dataclass(frozen=True)
class Run:
    command: str
    reach: Reach
    wish: Wish
    progress: Progress = field(default_factory=Progress)

    @property
    def journal(self) -> Journal:
        return Journal(self.reach.home, self.wish.origin)

    def heads(self) -> Heads:
        return heads(self.reach, self.wish.origin)

    def refused(self, reasons: Sequence[str], *, overrulable: bool = True) -> RefusedCommandError:
        what = f"{self.command} {self.wish.origin}"
        return RefusedCommandError(what, reasons, overrulable=overrulable)

    def reason(self, overruled: Sequence[str]) -> str | None:
        """What is recorded: the operator's words, and what they overruled."""
        if self.wish.force is None or not overruled:
            return self.wish.force or self.wish.because
        return f"{self.wish.force} (overruled: {'; '.join(overruled)})"

    def decide(self, current: Ownership, epoch: int, reason: str | None) -> Entry:
        """Into the journal, under the id of a call before that was killed, if it was this one."""
        entry = continued(
            self.journal.read(), current, command=self.command, region=self.reach.region,
            epoch=epoch, reason=reason,
        )  # fmt: skip
        self.journal.write(entry)
        self.progress.did(f"decided: {entry.command_id}, epoch {epoch}")
        return entry

    def write(self, cluster: Settings, expected: Ownership, record: Ownership) -> None:
        """Fence other commands, look whether still holds what was decided upon, write, read back.
        Raises OvertakenError, FailoverError.
        """
        with Writer(cluster) as writer:
            self.progress.did(f"fenced other commands on the cluster of {cluster.region}")
            self.write_by(writer, expected, record)

    def write_by(self, writer: Writer, expected: Ownership, record: Ownership) -> None:
        """The same by a writer who has fenced the others."""
        if (now := self.heads().current) != expected:
            raise OvertakenError(
                f"{record.origin} changed while this command looked: {_said(now)}; nothing was"
                " written, run it again"
            )
        writer.write(record)
        self.progress.did(f"written: {_said(record)}")
        if (now := control.ownerships(writer.cluster).current(record.origin)) != record:
            raise OvertakenError(f"the record is written, and another is above it: {_said(now)}")

    def successor(
        self, current: Ownership, fences: dict[int, int], command_id: str, reason: str | None
    ) -> Ownership:
        """The record by which this region owns the origin; `fences` are those of the epoch that
        ends.
        """
        here = self.reach.here
        return promoted(
            current, here.region, here.region_number, fences, command_id=command_id, reason=reason
        )

    def already(self, current: Ownership, before: Heads) -> Done:
        """Nothing is left to do but what was asked for besides."""
        if self.wish.dry_run:
            return self.done("already", current, before)
        self._close(current)
        return self.done("already", current, before, peer=self.peer(current))

    def _close(self, current: Ownership) -> None:
        """The journal of a call that was killed when all was done."""
        before = self.journal.read()
        if before is not None and before.step != "done" and before.epoch == current.epoch:
            self.journal.step(before, "done")

    def done(self, state: State, record: Ownership, before: Heads, **more: object) -> Done:
        base = done(self.command, self.reach.region, state, record, before)
        steps, seconds = self.progress.steps, self.progress.seconds
        return msgspec.structs.replace(base, **more, steps=steps, seconds=seconds)

    def peer(self, record: Ownership) -> Peer:
        """Whether every peer has the record; waits for it where that is wished. Raises
        TimeoutPassedError.
        """
        ends = time.monotonic() + self.wish.timeout_s
        while (lacking := self._lacking(record)) and self.wish.wait_peer:
            if time.monotonic() > ends:
                raise TimeoutPassedError(
                    f"{_said(record)}, and after {self.wish.timeout_s:.0f} s"
                    f" {', '.join(lacking)} is not known to have heard of it"
                )
            time.sleep(_LOOK_S)
            self.reach.look_again()
        return "pending" if lacking else "has it"

    def _lacking(self, record: Ownership) -> list[str]:
        return [
            region
            for region in self.reach.here.peers
            if (known := self.reach.asked(region, control.ownerships)) is None
            or (head := known.current(record.origin)) is None
            or head.epoch < record.epoch
        ]


def _said(record: Ownership | None) -> str:
    if record is None:
        return "no valid record of it is there"
    drains = ", draining" if record.draining else ""
    return f"{record.owner} owns {record.origin} at epoch {record.epoch}{drains}"
