"""Start processes in the background and wait until each answers.

They run in sessions of their own, so they outlive the command and no Ctrl-C in a terminal reaches
them. If anything fails, or the person presses Ctrl-C, what this call started is stopped again and
what ran before is left alone.
"""

import os
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from infra.local import ports
from infra.local.home import Home
from infra.local.problems import LocalError, NotReadyError, PortTakenError
from infra.local.supervisor import logs, records
from infra.local.supervisor.lock import locked
from infra.local.supervisor.records import Record
from infra.local.supervisor.server import Server
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
        begun: list[tuple[Server, Record, int, bool]] = []
        start_s = time.monotonic()
        try:
            for server in servers:
                record = _healthy(home, server)
                if record is not None:
                    begun.append((server, record, 0, False))
                    continue
                stop_locked(home.run, [server.name])  # ill, described otherwise, or an orphan
                fresh.append(server.name)
                record, offset = _spawn(home, server, log_limit_bytes)
                begun.append((server, record, offset, True))
            started = []
            for server, record, offset, is_fresh in begun:
                if is_fresh:
                    _wait_ready(server, record, offset)
                done = Started(server.name, record.pid, is_fresh, time.monotonic() - start_s)
                started.append(done)
                report(done)
        except BaseException:
            with uninterrupted():
                stop_locked(home.run, fresh)
            raise
        return tuple(started)


def is_ready(server: Server) -> bool:
    """One question to the server; a failure to answer is an answer."""
    try:
        return server.ready()
    except Exception:  # noqa: BLE001 - whatever its client raises, it means 'not ready'
        return False


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


def _spawn(home: Home, server: Server, log_limit_bytes: int) -> tuple[Record, int]:
    for setting, port in server.ports.items():
        if not ports.is_free(port):
            raise PortTakenError(
                f"port {port} for {server.name} is taken by {ports.holder(port)}; "
                f"stop that process or set {setting} to another port"
            )
    server.prepare()
    log = logs.open_log(home.logs, server.name, log_limit_bytes)
    offset = log.stat().st_size
    mark = {records.MARK: records.mark(home.run, server.name)}
    with log.open("ab") as output:
        try:
            process = subprocess.Popen(
                server.command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **server.env, **mark},
                cwd=server.cwd,
                start_new_session=True,
            )
        except OSError as error:
            raise LocalError(f"{server.name} cannot be started: {error}") from error
    _CHILDREN.append(process)
    record = Record(
        name=server.name,
        pid=process.pid,
        created_at_s=_created_at_s(process.pid),
        fingerprint=server.fingerprint,
        command=server.command,
        ports=dict(server.ports),
        log=str(log),
        stop_signal=server.stop_signal,
        stop_timeout_s=server.stop_timeout_s,
    )
    records.write(home.run, record)
    return record, offset


_CHILDREN: list[subprocess.Popen[bytes]] = []
"""Kept, because Python warns of a process object that goes while its process runs on."""


def _created_at_s(pid: int) -> float:
    with suppress(psutil.Error):
        return psutil.Process(pid).create_time()
    return 0.0  # ended already; the wait for readiness says so


def _wait_ready(server: Server, record: Record, offset: int) -> None:
    deadline_s = time.monotonic() + server.ready_timeout_s
    while True:
        if record.process() is None:
            what = "ended before it was ready"
        elif is_ready(server):
            return
        elif time.monotonic() > deadline_s:
            what = f"did not answer within {server.ready_timeout_s:.0f} s"
        else:
            time.sleep(_POLL_S)
            continue
        raise NotReadyError(
            f"{server.name} {what}; its log ({record.log}) ends with\n"
            f"{logs.last_lines(Path(record.log), offset)}"
        )
