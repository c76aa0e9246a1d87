"""Say which workers should run, and wait until they do: what `tidemill up` calls.

The supervising process is started where none runs. What fails is told with its cause; taking it
back is `take_back`, for the caller knows what ran before.
"""

import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from infra.local import supervisor
from infra.local.home import Home
from infra.local.problems import NotReadyError
from infra.local.supervisor import Server, logs, records
from infra.local.supervisor.lock import locked
from infra.supervise import NAME, told, wanted
from infra.supervise.exits import Exit
from infra.supervise.told import KeptWorker, Told
from infra.supervise.wanted import Wanted, Worker

Report = Callable[[str], None]

_CHECKOUT = Path(__file__).resolve().parents[2]
_POLL_S = 0.1
_HEARD_S = 30.0
"""For the supervising process to take note; it may be asking a worker that does not answer."""
_STOP_MARGIN_S = 15.0
"""The supervising process outlives its workers: their stop timeout, SIGKILL, then its own end."""
_FAILURES = 3
"""Exits before a worker was ready: `up` gives up, the supervising process does not."""
_WRONG_SETTING = 2
"""Exit code; another try with the same settings changes nothing."""


def keep(
    home: Home,
    workers: Sequence[Worker],
    *,
    log_limit_bytes: int,
    ready_timeout_s: float,
    report: Report,
) -> None:
    """Returns when exactly these run and are ready. `ready_timeout_s` is from one that gets ready
    to the next. Raises NotReadyError, LocalError.
    """
    before = {state.name: state.pid for state in supervisor.states(home.run) if state.running}
    for started in supervisor.start(home, [described(home)], log_limit_bytes=log_limit_bytes):
        if started.fresh:
            report(f"{NAME}: ready after {started.seconds:.1f} s (pid {started.pid})")
    with locked(home.run):
        seen = {worker.name: worker.last_exit for worker in _told(home).workers}
        revision = _ask(home, workers, log_limit_bytes)
        _heard(home, revision)
        wish = _Wish(home, workers, before, seen, report)
        stop_timeout_s = max((worker.stop_timeout_s for worker in workers), default=0.0)
        timeout_s = ready_timeout_s + stop_timeout_s
        ends_s = time.monotonic() + timeout_s
        while not wish.is_fulfilled(found := _told(home)):
            if wish.progressed:
                ends_s = time.monotonic() + timeout_s
            if time.monotonic() > ends_s:
                late = [worker.name for worker in found.workers if worker.phase != "ready"]
                raise NotReadyError(
                    f"{', '.join(late)}: not ready within {timeout_s:.0f} s; "
                    f"the logs in {home.logs} say more"
                )
            time.sleep(_POLL_S)


def take_back(home: Home, former: Wanted | None) -> None:
    """What was wanted before is wanted again; returns when nothing else runs. For a `keep` that
    failed while a supervising process ran already.
    """
    if former is None:
        supervisor.stop(home.run, [NAME])
        home.wanted.unlink(missing_ok=True)
        return
    if wanted.read(home) == former:
        return
    with locked(home.run):
        _heard(home, _ask(home, former.workers, former.log_limit_bytes))
        names = {worker.name for worker in former.workers}
        while any(worker.name not in names for worker in _told(home).workers):
            time.sleep(_POLL_S)  # it kills what does not drain in time


def described(home: Home) -> Server:
    """The supervising process; the settings of workers are not part of it, it runs on when they
    change.
    """

    def is_ready() -> bool:
        record, found = records.read(home.run, NAME), told.read(home)
        return record is not None and found is not None and found.pid == record.pid

    return Server(
        name=NAME,
        command=(sys.executable, "-m", "infra.supervise", str(home.root)),
        ready=is_ready,
        env={"PYTHONPATH": str(_CHECKOUT)},
        prepare=lambda: home.kept.unlink(missing_ok=True),
        stop_timeout_s=_STOP_MARGIN_S,
    )


class _Wish:
    """How far the wished workers are, told line by line."""

    def __init__(
        self,
        home: Home,
        workers: Sequence[Worker],
        before: dict[str, int],
        seen: dict[str, Exit | None],
        report: Report,
    ) -> None:
        self._home = home
        self._wanted = {worker.name: worker.fingerprint for worker in workers}
        self._before, self._seen, self._report = before, seen, report
        self._begun_s = time.monotonic()
        self._ready: set[str] = set()
        self.progressed = False

    def is_fulfilled(self, found: Told) -> bool:
        """Raises NotReadyError where waiting is in vain."""
        known = len(self._ready)
        for worker in found.workers:
            if worker.name not in self._wanted:
                continue
            self._tell_exit(worker)
            self._give_up(worker)
            if self._is_ready(worker) and worker.name not in self._ready:
                self._ready.add(worker.name)
                self._report(self._line(worker))
        self.progressed = len(self._ready) > known
        ready = {worker.name for worker in found.workers if self._is_ready(worker)}
        return ready == self._wanted.keys() and len(found.workers) == len(ready)

    def _is_ready(self, worker: KeptWorker) -> bool:
        return worker.phase == "ready" and worker.fingerprint == self._wanted.get(worker.name)

    def _tell_exit(self, worker: KeptWorker) -> None:
        if worker.last_exit != self._seen.get(worker.name):
            self._seen[worker.name] = worker.last_exit
            self._report(f"{worker.name} {worker.last_exit}")

    def _give_up(self, worker: KeptWorker) -> None:
        found = worker.last_exit
        if found is None or worker.failures == 0:
            return
        if worker.failures >= _FAILURES or found.code == _WRONG_SETTING:
            raise NotReadyError(
                f"{worker.name} {found}; its log ({worker.log}) ends with\n"
                f"{logs.last_lines(Path(worker.log))}"
            )

    def _line(self, worker: KeptWorker) -> str:
        if self._before.get(worker.name) == worker.pid:
            return f"{worker.name}: runs already (pid {worker.pid})"
        seconds = time.monotonic() - self._begun_s
        return f"{worker.name}: ready after {seconds:.1f} s (pid {worker.pid})"


def _ask(home: Home, workers: Sequence[Worker], log_limit_bytes: int) -> int:
    """Write the wish and wake the supervising process; the revision of the wish."""
    former = wanted.read(home)
    revision = 1 if former is None else former.revision + 1
    given = Wanted(revision=revision, log_limit_bytes=log_limit_bytes, workers=tuple(workers))
    wanted.write(home, given)
    record = _record(home)
    stop_timeout_s = max((worker.stop_timeout_s for worker in workers), default=0.0)
    stop_timeout_s += _STOP_MARGIN_S
    records.write(home.run, msgspec.structs.replace(record, stop_timeout_s=stop_timeout_s))
    os.kill(record.pid, signal.SIGHUP)
    return revision


def _heard(home: Home, revision: int) -> None:
    ends_s = time.monotonic() + _HEARD_S
    while _told(home).revision != revision:
        if time.monotonic() > ends_s:
            raise NotReadyError(
                f"the supervisor (pid {_record(home).pid}) does not take note of what is wanted; "
                "`tidemill down` ends it and what it runs"
            )
        time.sleep(_POLL_S)


def _told(home: Home) -> Told:
    """Raises NotReadyError where nobody tells it any more."""
    record, found = _record(home), told.read(home)
    if found is None or found.pid != record.pid:
        raise NotReadyError("the supervisor was replaced meanwhile; run this again")
    return found


def _record(home: Home) -> records.Record:
    record = records.read(home.run, NAME)
    if record is None or record.process() is None:
        log = home.logs / f"{NAME}.log"
        raise NotReadyError(
            f"the supervisor ended; its log ends with\n{logs.last_lines(log, 0, 5)}"
        )
    return record
