"""Start processes in the background and wait until each answers.

They run in sessions of their own, so they outlive the command and no Ctrl-C in a terminal reaches
them. If anything fails, or the person presses Ctrl-C, what this call started is stopped again and
what ran before is left alone.
"""

import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from infra.local.home import Home
from infra.local.problems import NotReadyError
from infra.local.supervisor import logs, records
from infra.local.supervisor.lock import locked
from infra.local.supervisor.records import Record
from infra.local.supervisor.server import Server
from infra.local.supervisor.spawning import spawn
from infra.local.supervisor.stopping import stop_locked, uninterrupted

_POLL_S = 0.1
_STILL_READY_S = 10.0
"""For a server that runs already to answer; a busy one needs more than one try."""


@dataclass(frozen=True)
class Started:
    """What became of one server: `fresh` is False where it ran already and was left alone."""

    name: str
    pid: int
    fresh: bool
    seconds: float


def start(
    home: Home,
    servers: Sequence[Server],
    *,
    log_limit_bytes: int = 10 * 1024 * 1024,
    report: Callable[[Started], None] = lambda _: None,
) -> tuple[Started, ...]:
    """Start all of them at once, then wait for each; call it again for what needs these first."""
    with locked(home.run):
        fresh: list[str] = []
        try:
            begun = [_begin(home, server, fresh, log_limit_bytes) for server in servers]
            return _wait_ready(begun, report)
        except BaseException:
            with uninterrupted():
                stop_locked(home.run, fresh)
            raise


def is_ready(server: Server) -> bool:
    """One question to the server; a failure to answer is an answer."""
    try:
        return server.ready()
    except Exception:  # noqa: BLE001 - whatever its client raises, it means 'not ready'
        return False


@dataclass(frozen=True)
class _Begun:
    server: Server
    record: Record
    fresh: bool
    log_from_byte: int
    start_s: float


def _begin(home: Home, server: Server, fresh: list[str], log_limit_bytes: int) -> _Begun:
    """Leave a healthy one alone, else start it; its name goes to `fresh` before it can exist."""
    start_s = time.monotonic()
    record = _healthy(home, server)
    if record is not None:
        return _Begun(server, record, fresh=False, log_from_byte=0, start_s=start_s)
    stop_locked(home.run, [server.name])  # ill, described otherwise, or an orphan
    fresh.append(server.name)
    return _spawn(home, server, log_limit_bytes, start_s)


def _healthy(home: Home, server: Server) -> Record | None:
    record = records.read(home.run, server.name)
    if record is None or record.fingerprint != server.fingerprint:
        return None
    deadline_s = time.monotonic() + _STILL_READY_S
    while record.process() is not None:
        if is_ready(server):
            return record
        if time.monotonic() > deadline_s:
            return None
        time.sleep(_POLL_S)
    return None


def _spawn(home: Home, server: Server, log_limit_bytes: int, start_s: float) -> _Begun:
    made = spawn(home, server, log_limit_bytes)
    _CHILDREN.append(made.process)
    return _Begun(
        server, made.record, fresh=True, log_from_byte=made.log_from_byte, start_s=start_s
    )


_CHILDREN: list[subprocess.Popen[bytes]] = []
"""Kept, because Python warns of a process object that goes while its process runs on."""


def _wait_ready(begun: Sequence[_Begun], report: Callable[[Started], None]) -> tuple[Started, ...]:
    """Ask each in turn until all have answered; the first that fails ends it."""
    ready: dict[str, Started] = {}
    while True:
        for one in begun:
            name = one.server.name
            if name not in ready and (not one.fresh or _answered(one)):
                seconds = time.monotonic() - one.start_s
                ready[name] = Started(name, one.record.pid, one.fresh, seconds)
                report(ready[name])
        if len(ready) == len(begun):
            return tuple(ready[one.server.name] for one in begun)
        time.sleep(_POLL_S)


def _answered(one: _Begun) -> bool:
    """Raises NotReadyError, with the end of its log, where it ended or the time is over."""
    if one.record.process() is None:
        what = "ended before it was ready"
    elif is_ready(one.server):
        return True
    elif time.monotonic() - one.start_s > one.server.ready_timeout_s:
        what = f"did not answer within {one.server.ready_timeout_s:.0f} s"
    else:
        return False
    raise NotReadyError(
        f"{one.server.name} {what}; its log ({one.record.log}) ends with\n"
        f"{logs.last_lines(Path(one.record.log), one.log_from_byte)}"
    )
