"""Make one process, and its record; whether it answers is the next question, not this one's.

Called by `starting`, for servers, and by `infra.supervise`, for workers.
"""

import os
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

import psutil

from infra.local import ports
from infra.local.home import Home
from infra.local.problems import LocalError, PortTakenError
from infra.local.supervisor import logs, records
from infra.local.supervisor.records import Record
from infra.local.supervisor.server import Server
from infra.processes import identity


@dataclass(frozen=True)
class Spawned:
    """`log_from_byte`: what stands before it in the log is of earlier starts."""

    process: "subprocess.Popen[bytes]"
    record: Record
    log_from_byte: int


def spawn(
    home: Home,
    server: Server,
    log_limit_bytes: int,
    *,
    environment: Mapping[str, str] | None = None,
    keeper: str = "",
    in_child: Callable[[], None] | None = None,
) -> Spawned:
    """A process in a session of its own. `environment` is what the server's own is put upon;
    `in_child` runs in it before the program does. Raises PortTakenError, LocalError.
    """
    for setting, port in server.ports.items():
        if not ports.is_free(port):
            raise PortTakenError(
                f"port {port} for {server.name} is taken by {ports.holder(port)}; "
                f"stop that process or set {setting} to another port"
            )
    server.prepare()
    log = logs.open_log(home.logs, server.name, log_limit_bytes)
    log_from_byte = log.stat().st_size
    mark = {records.MARK: records.mark(home.run, server.name)}
    given = os.environ if environment is None else environment
    with log.open("ab") as output:
        try:
            process = subprocess.Popen(
                server.command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**given, **server.env, **mark},
                cwd=server.cwd,
                start_new_session=True,
                preexec_fn=in_child,  # noqa: PLW1509 - given only by a process without threads
            )
        except OSError as error:
            raise LocalError(f"{server.name} cannot be started: {error}") from error
    created_at_s, identity_ = _born(process.pid)
    record = Record(
        name=server.name,
        pid=process.pid,
        created_at_s=created_at_s,
        identity=identity_,
        order=time.monotonic_ns(),
        fingerprint=server.fingerprint,
        command=server.command,
        ports=dict(server.ports),
        log=str(log),
        stop_signal=server.stop_signal,
        stop_timeout_s=server.stop_timeout_s,
        keeper=keeper,
    )
    records.write(home.run, record)
    return Spawned(process, record, log_from_byte)


def _born(pid: int) -> tuple[float, str]:
    """When, and the identity."""
    with suppress(psutil.Error, OSError):
        return psutil.Process(pid).create_time(), identity(pid)
    return 0.0, ""  # ended already; whoever waits for it finds out
