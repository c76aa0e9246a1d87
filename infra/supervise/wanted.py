"""What `tidemill up` wants to run: the file `<home>/run/wanted.json`, from `up` to `down`.

Written by `asking`, read by the supervising process. It holds settings, a password among them, so
nobody else may read it.
"""

import os

import msgspec

from infra.local.home import Home
from infra.local.supervisor import Server
from infra.supervise.probe import Answer, Probe


class Worker(msgspec.Struct, frozen=True, kw_only=True):
    """One worker. All that the environment says of Tidemill is in `env`; the rest it inherits.

    `ports` maps the name of the setting that chose it to each port the worker listens on. Without a
    `probe` a worker is ready as soon as it runs.
    """

    name: str
    command: tuple[str, ...]
    env: dict[str, str]
    ports: dict[str, int] = {}
    probe: Probe | None = None
    stop_timeout_s: float = 30.0

    @property
    def fingerprint(self) -> str:
        """Differs when the worker must be replaced."""
        return self.server().fingerprint

    def server(self) -> Server:
        """The same for `infra.local.supervisor`."""
        return Server(
            name=self.name,
            command=self.command,
            ready=self.is_ready,
            env=self.env,
            ports=self.ports,
            stop_timeout_s=self.stop_timeout_s,
        )

    def answer(self) -> Answer:
        """One question; a failure to answer is an answer."""
        try:
            return "yes" if self.probe is None else self.probe.answer()
        except (OSError, ValueError):
            return "no"

    def is_ready(self) -> bool:
        return self.answer() == "yes"


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """`revision` grows from call to call, so that `up` knows which of them was heard."""

    revision: int
    log_limit_bytes: int
    workers: tuple[Worker, ...]


def read(home: Home) -> Wanted | None:
    """None where there is none, also where a file was cut by a full disk."""
    try:
        return msgspec.json.decode(home.wanted.read_bytes(), type=Wanted)
    except (OSError, msgspec.MsgspecError):
        return None


def write(home: Home, wanted: Wanted) -> None:
    home.run.mkdir(parents=True, exist_ok=True)
    unfinished = home.wanted.with_suffix(".new")
    unfinished.unlink(missing_ok=True)
    file = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(file, "wb") as opened:
        opened.write(msgspec.json.encode(wanted))
    unfinished.replace(home.wanted)
