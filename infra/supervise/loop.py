"""The supervising process: make what is wanted so, until it is told to stop.

SIGHUP means that `wanted.json` changed, SIGTERM that all workers must end. Between signals it
sleeps until something is due; it has no threads, because it sets what a child does before its
program.
"""

import logging
import os
import signal
import time

from infra.local.home import Home
from infra.local.supervisor import records
from infra.local.supervisor.stopping import stop_locked
from infra.supervise import NAME, told, wanted
from infra.supervise.kept import Kept
from infra.supervise.signals import Signals, received
from infra.supervise.told import Told

log = logging.getLogger("tidemill.supervise")


class Loop:
    """One home's workers, by name."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._kept: dict[str, Kept] = {}
        self._revision = 0
        self._last: Told | None = None

    def run(self) -> None:
        """Returns when it was told to stop and nothing is left."""
        with received(signal.SIGCHLD, signal.SIGHUP, signal.SIGTERM, signal.SIGINT) as signals:
            self._end_strangers()
            self._read_wanted()
            try:
                self._until_stopped(signals)
            finally:  # where this program is wrong, too
                for kept in self._kept.values():
                    kept.want(None, 0)
                self._look()
                while self._kept:
                    signals.wait(self._sleep_s())
                    self._look()

    def _until_stopped(self, signals: Signals) -> None:
        while True:
            self._look()
            came = signals.wait(self._sleep_s())
            if came & {signal.SIGTERM, signal.SIGINT}:
                log.info("told to stop: %d workers drain", len(self._kept))
                return
            if signal.SIGHUP in came:
                self._read_wanted()

    def _look(self) -> None:
        for name, kept in list(self._kept.items()):
            kept.look(time.monotonic())
            if kept.is_gone:
                del self._kept[name]
        self._roll()
        now = Told(
            pid=os.getpid(),
            revision=self._revision,
            workers=tuple(kept.told() for kept in self._kept.values()),
        )
        if now != self._last:
            try:
                told.write(self._home, now)
                self._last = now
            except OSError as error:  # a full disk must not end the workers
                log.warning("%s cannot be written: %s", self._home.kept, error)

    def _roll(self) -> None:
        """Replace what runs with other settings than the wanted ones, one at a time: the next only
        when all are ready. What is not ready serves nobody and need not wait for its turn.
        """
        outdated = [kept for kept in self._kept.values() if kept.is_outdated]
        all_ready = all(kept.is_ready for kept in self._kept.values())
        for kept in outdated:
            if not kept.is_ready:
                kept.stop()
        if outdated and all_ready:
            outdated[0].stop()

    def _sleep_s(self) -> float | None:
        """Until the first of them is due; None where only a signal can change something."""
        due_s = min((kept.due_s for kept in self._kept.values()), default=float("inf"))
        return None if due_s == float("inf") else max(0.0, due_s - time.monotonic())

    def _read_wanted(self) -> None:
        found = wanted.read(self._home)
        if found is None:
            return
        self._revision = found.revision
        before, self._kept = self._kept, {}
        for worker in found.workers:
            kept = before.pop(worker.name, None) or Kept(self._home, worker.name)
            kept.want(worker, found.log_limit_bytes)
            self._kept[worker.name] = kept
        for kept in before.values():
            kept.want(None, found.log_limit_bytes)
        self._kept |= before

    def _end_strangers(self) -> None:
        """Workers of a supervisor that was killed have SIGTERM from the kernel already."""
        left = [record.name for record in records.read_all(self._home.run) if record.keeper == NAME]
        stop_locked(self._home.run, left)
