"""What the supervising process tells of its workers: the file `<home>/run/kept.json`.

Written at each change, read by `asking` and by `infra.status`.
"""

from typing import Literal

import msgspec

from infra.local.home import Home
from infra.supervise.exits import Exit

Phase = Literal["starting", "ready", "stopping", "waiting"]


class KeptWorker(msgspec.Struct, frozen=True, kw_only=True):
    """`pid` is None while it waits to be started again, which happens at `starts_at_ms`.

    `restarts` counts since the supervising process began; `failures` are the exits since it was
    last ready or somebody last called `tidemill up`.
    """

    name: str
    phase: Phase
    pid: int | None
    fingerprint: str
    restarts: int
    failures: int
    last_exit: Exit | None
    starts_at_ms: int | None
    log: str


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """By the process `pid`, of the wish `revision`."""

    pid: int
    revision: int
    workers: tuple[KeptWorker, ...]


def read(home: Home) -> Told | None:
    """None where there is none, also where a file was cut by a full disk."""
    try:
        return msgspec.json.decode(home.kept.read_bytes(), type=Told)
    except (OSError, msgspec.MsgspecError):
        return None


def write(home: Home, told: Told) -> None:
    unfinished = home.kept.with_suffix(".new")
    unfinished.write_bytes(msgspec.json.encode(told))
    unfinished.replace(home.kept)
