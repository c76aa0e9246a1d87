"""Who runs: one small file a process, with what is needed to recognise and stop it later.

A pid alone proves nothing, the kernel gives it out again; together with the time at which the
process was created it does. A process also carries the name of its record in its environment, so
that it is found even if this machine lost power or the starting command was killed between
starting it and writing the record.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec
import psutil

from infra.processes import identity

MARK = "TIDEMILL_SERVER"
"""The environment variable that each process and its children carry."""


class Record(msgspec.Struct, frozen=True):
    """One started process; the file is `<run>/<name>.pid.json`."""

    name: str
    pid: int
    created_at_s: float
    """By the clock of that moment, for people."""
    identity: str
    order: int
    """Grows from start to start since the machine booted; times of creation can be equal."""
    fingerprint: str
    command: tuple[str, ...]
    ports: dict[str, int]
    log: str
    stop_signal: int
    stop_timeout_s: float
    keeper: str = ""
    """The process that starts this one again when it ends; that one must be stopped first."""

    def process(self) -> psutil.Process | None:
        """The process, if it still runs and is the one that was started."""
        try:
            process = psutil.Process(self.pid)
            same = identity(self.pid) == self.identity
            return process if same and process.status() != psutil.STATUS_ZOMBIE else None
        except (psutil.Error, OSError):
            return None


def path(run: Path, name: str) -> Path:
    return run / f"{name}.pid.json"


def write(run: Path, record: Record) -> None:
    run.mkdir(parents=True, exist_ok=True)
    unfinished = path(run, record.name).with_suffix(".new")
    unfinished.write_bytes(msgspec.json.encode(record))
    unfinished.replace(path(run, record.name))


def read(run: Path, name: str) -> Record | None:
    """None where there is none, also where a file was cut by a full disk."""
    try:
        return msgspec.json.decode(path(run, name).read_bytes(), type=Record)
    except (OSError, msgspec.MsgspecError):
        return None


def forget(run: Path, name: str) -> None:
    path(run, name).unlink(missing_ok=True)


def read_all(run: Path) -> list[Record]:
    """In the order in which the processes were started."""
    names = [file.name.removesuffix(".pid.json") for file in run.glob("*.pid.json")]
    records = [record for name in names if (record := read(run, name)) is not None]
    return sorted(records, key=lambda record: record.order)


def mark(run: Path, name: str) -> str:
    return f"{run}:{name}"


def marked(run: Path, name: str | None = None) -> Iterator[psutil.Process]:
    """Living processes that were started for this run folder, whatever the records say."""
    for process in psutil.process_iter():
        if process.pid == os.getpid():
            continue
        try:
            found = process.environ().get(MARK, "")
            if process.status() == psutil.STATUS_ZOMBIE:
                continue
        except (psutil.Error, OSError):
            continue
        if found == mark(run, name) if name else found.startswith(f"{run}:"):
            yield process
