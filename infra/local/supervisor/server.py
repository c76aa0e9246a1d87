"""What the supervisor must know of a process to run it; a worker is described as a server is.

Descriptions are made by `infra.local.{kafka,triton,clickhouse,prometheus}` and by whoever runs
workers. Nothing here acts.
"""

import hashlib
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec


def _nothing() -> None:
    return


@dataclass(frozen=True)
class Server:
    """One process that runs in the background until it is stopped.

    `ready` asks the server something that only a working one answers, and returns False or raises
    while it does not; it is called again and again, so one call should take seconds at most.
    `prepare` runs before each start, never while the server runs (configuration, storage).
    `ports` maps the name of the setting that chose it to each port the server listens on.
    """

    name: str
    command: tuple[str, ...]
    ready: Callable[[], bool]
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: Path | None = None
    ports: Mapping[str, int] = field(default_factory=dict)
    prepare: Callable[[], None] = _nothing
    ready_timeout_s: float = 120.0
    stop_signal: int = signal.SIGTERM
    stop_timeout_s: float = 30.0

    @property
    def fingerprint(self) -> str:
        """Differs when the description differs: a running process with another one is replaced."""
        described = (self.command, sorted(self.env.items()), str(self.cwd), dict(self.ports))
        return hashlib.sha256(msgspec.json.encode(described)).hexdigest()[:16]
