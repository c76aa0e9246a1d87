"""What a command had decided, so that it goes on as itself after it was killed.

One file an origin in the home of the region, written whole or not at all. It never says who owns an
origin: `region-ownership` does, and an entry that does not fit what stands there counts for
nothing. It says under which command id and at which epoch to go on, so that a rerun does not write
a second promotion.
"""

import os
import uuid
from pathlib import Path

import msgspec

from schemas.control import Ownership


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """`step` is the last that was done: decided, demoted, drained, written, done. `mirrored_to`:
    of a promotion without a drain, partition -> the source's offset up to which events were here.
    """

    command: str
    command_id: str
    origin: str
    region: str
    ended_epoch: int
    epoch: int
    reason: str | None
    step: str
    mirrored_to: dict[int, int] = {}


class Journal:
    """Of one origin."""

    def __init__(self, home: Path, origin: str) -> None:
        self.file = home / "commands" / f"{origin}.json"

    def read(self) -> Entry | None:
        """None where there is none, also where it cannot be read: the topic says what holds."""
        try:
            return msgspec.json.decode(self.file.read_bytes(), type=Entry)
        except (FileNotFoundError, msgspec.MsgspecError):
            return None

    def write(self, entry: Entry) -> Entry:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        unfinished = self.file.with_suffix(f".{os.getpid()}.new")
        with unfinished.open("wb") as out:
            out.write(msgspec.json.format(msgspec.json.encode(entry)))
            out.flush()
            os.fsync(out.fileno())
        unfinished.replace(self.file)
        folder = os.open(self.file.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        return entry

    def step(self, entry: Entry, step: str) -> Entry:
        return self.write(msgspec.structs.replace(entry, step=step))


def continued(
    before: Entry | None,
    current: Ownership,
    *,
    command: str,
    region: str,
    epoch: int,
    reason: str | None,
) -> Entry:
    """The entry of a command that is decided now: the one of the call before, if that was the same
    command and nothing has happened to the origin since; a new one otherwise. Pure but for the id.
    """
    is_same = (
        before is not None
        and before.step != "done"
        and (before.command, before.region) == (command, region)
        and before.ended_epoch == current.epoch
    )
    kept = before.command_id if is_same and before is not None else f"{command}-{uuid.uuid4()}"
    return Entry(
        command=command, command_id=kept, origin=current.origin, region=region,
        ended_epoch=current.epoch, epoch=epoch, reason=reason, step="decided",
    )  # fmt: skip
