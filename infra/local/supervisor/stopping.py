"""Stop processes: ask, wait, then insist; children too, and never a process that is not ours."""

import os
import signal
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from infra.local.supervisor import records
from infra.local.supervisor.lock import locked
from infra.local.supervisor.records import Record

_KILL_WAIT_S = 10.0


def stop(run: Path, names: Iterable[str] | None = None) -> tuple[str, ...]:
    """Stop the named servers, or all; the last one started goes first, and before all others who
    would start them again. Returns who was running.
    """
    with locked(run), uninterrupted():
        return stop_locked(run, names)


def stop_locked(run: Path, names: Iterable[str] | None = None) -> tuple[str, ...]:
    """The same for a caller that holds the lock already."""
    wanted = None if names is None else set(names)
    found = _in_order(records.read_all(run))
    ours = [record for record in found if wanted is None or record.name in wanted]
    # Looked at first: a keeper ends its own.
    running = tuple(record.name for record in ours if record.process() is not None)
    for record in ours:
        _stop_recorded(record)
        _sweep(run, record.name)
        records.forget(run, record.name)
    if wanted is None:
        _sweep(run, None)
    else:
        for name in wanted:
            _sweep(run, name)
            records.forget(run, name)
    return running


def _in_order(found: list[Record]) -> list[Record]:
    """Who starts others again, then those others, then the rest; each from the last one started."""
    keepers = {record.keeper for record in found}

    def turn(record: Record) -> tuple[bool, bool, int]:
        return record.name in keepers, bool(record.keeper), record.order

    return sorted(found, key=turn, reverse=True)


def _stop_recorded(record: Record) -> None:
    process = record.process()
    if process is None:
        return
    family = [process]
    with suppress(psutil.Error):
        family += process.children(recursive=True)
    _signal([process], record.stop_signal)
    # A suspended process (a test, a debugger) gets the signal only when it goes on.
    _signal(family, signal.SIGCONT)
    _gone([process], record.stop_timeout_s)
    _insist(family)


def _sweep(run: Path, name: str | None) -> None:
    """End what carries our mark and is not in a record: orphans, and children that were left."""
    left = list(records.marked(run, name))
    if left:
        _signal(left, signal.SIGTERM)
        _signal(left, signal.SIGCONT)
        if not _gone(left, _KILL_WAIT_S):
            _insist(left)


def _insist(processes: list[psutil.Process]) -> None:
    _signal(processes, signal.SIGKILL)
    _gone(processes, _KILL_WAIT_S)


def _signal(processes: Iterable[psutil.Process], number: int) -> None:
    for process in processes:
        with suppress(psutil.Error):  # gone meanwhile; psutil checks the time of creation itself
            process.send_signal(number)


def _gone(processes: Iterable[psutil.Process], timeout_s: float) -> bool:
    """Wait until all have ended, reaping those that are our own children."""
    deadline_s = time.monotonic() + timeout_s
    for process in processes:
        while _runs(process):
            if time.monotonic() > deadline_s:
                return False
            time.sleep(0.02)
    return True


def _runs(process: psutil.Process) -> bool:
    try:
        if process.status() != psutil.STATUS_ZOMBIE:
            return process.is_running()
    except psutil.Error:
        return False
    with suppress(ChildProcessError):
        os.waitpid(process.pid, os.WNOHANG)
    return False


@contextmanager
def uninterrupted() -> Iterator[None]:
    """A second Ctrl-C must not leave half of the servers behind; stopping is bounded in time."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
