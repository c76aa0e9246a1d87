"""One worker that is kept running: started, asked whether it is ready, waited for, started again.

Nothing here blocks for longer than one question to the worker. Called by `loop`, which has the
clock; `now_s` is always that of `time.monotonic`.
"""

import logging
import math
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

import psutil

from infra.local.home import Home
from infra.local.problems import LocalError
from infra.local.supervisor import logs, records
from infra.local.supervisor.spawning import Spawned, spawn
from infra.local.supervisor.stopping import stop_locked
from infra.supervise import NAME, exits
from infra.supervise.backoff import Backoff
from infra.supervise.exits import Exit
from infra.supervise.signals import ends_with_parent
from infra.supervise.told import KeptWorker, Phase
from infra.supervise.wanted import Worker

log = logging.getLogger("tidemill.supervise")

_QUESTION_S = 0.25
"""Between two questions to a worker that is not ready yet."""
_IDLE_S = 10.0
"""A worker without partitions is ready after this time: Kafka has had time to give it some."""
_KILL_AGAIN_S = 1.0
_LINES = 5
"""Of a worker's log, where it ended without saying why."""


@dataclass
class _Running:
    worker: Worker
    spawned: Spawned
    since_s: float
    asked_at_s: float
    idle_since_s: float = math.inf
    is_ready: bool = False
    kill_at_s: float = math.inf
    stopping: bool = False

    @property
    def process(self) -> "subprocess.Popen[bytes]":
        return self.spawned.process


class Kept:
    """`want` says what to run, None for nothing more; `look` does what is due."""

    def __init__(self, home: Home, name: str) -> None:
        self._home, self._name = home, name
        self._wanted: Worker | None = None
        self._log_limit_bytes = 0
        self._running: _Running | None = None
        self._starts_at_s = -math.inf
        self._starts_at_ms = 0
        self._backoff = Backoff()
        self._in_child: Callable[[], None] = ends_with_parent()
        self._restarts = -1  # the first start is none
        self._failures = 0
        self._exit: Exit | None = None

    @property
    def is_gone(self) -> bool:
        """Not wanted any more, and ended."""
        return self._wanted is None and self._running is None

    @property
    def is_ready(self) -> bool:
        return self._running is not None and self._running.is_ready and not self._running.stopping

    @property
    def is_outdated(self) -> bool:
        """Runs with other settings than the wanted ones, and nobody has told it to stop yet."""
        now, wanted = self._running, self._wanted
        if now is None or wanted is None or now.stopping:
            return False
        return now.worker.fingerprint != wanted.fingerprint

    @property
    def due_s(self) -> float:
        """When it must be looked at, if no signal comes before."""
        if self._running is None:
            return self._starts_at_s
        if self._running.stopping:
            return self._running.kill_at_s
        return math.inf if self._running.is_ready else self._running.asked_at_s + _QUESTION_S

    def want(self, worker: Worker | None, log_limit_bytes: int) -> None:
        """What runs is not touched, but for None; what waits is started at once."""
        self._wanted = worker
        self._log_limit_bytes = log_limit_bytes
        self._failures = 0
        self._backoff.reset()
        self._starts_at_s = -math.inf
        if worker is None:
            self.stop()
            if self._running is None:
                records.forget(self._home.run, self._name)

    def stop(self) -> None:
        """Ask it to drain and end. It is started again where it is wanted."""
        now = self._running
        if now is None or now.stopping:
            return
        stop_timeout_s = (self._wanted or now.worker).stop_timeout_s
        now.stopping, now.kill_at_s = True, time.monotonic() + stop_timeout_s
        now.process.send_signal(signal.SIGTERM)
        # A suspended process gets the signal only when it goes on.
        now.process.send_signal(signal.SIGCONT)

    def look(self, now_s: float) -> None:
        """See whether it ended, answers, must be killed or started."""
        now = self._running
        if now is not None:
            returncode = now.process.poll()
            if returncode is not None:
                self._ended(now, returncode, now_s)
            elif now.stopping:
                self._insist(now, now_s)
            elif not now.is_ready and now_s >= now.asked_at_s + _QUESTION_S:
                self._ask(now)
        if self._running is None and self._wanted is not None and now_s >= self._starts_at_s:
            self._start(self._wanted, now_s)

    def told(self) -> KeptWorker:
        now, wanted = self._running, self._wanted
        worker = now.worker if now is not None else wanted
        waits = now is None and self._starts_at_s > time.monotonic()
        return KeptWorker(
            name=self._name,
            phase=self._phase(),
            pid=None if now is None else now.process.pid,
            fingerprint="" if worker is None else worker.fingerprint,
            restarts=max(0, self._restarts),
            failures=self._failures,
            last_exit=self._exit,
            starts_at_ms=self._starts_at_ms if waits else None,
            log=str(self._home.logs / f"{self._name}.log"),
        )

    def _phase(self) -> Phase:
        now = self._running
        if now is None:
            return "waiting"
        if now.stopping:
            return "stopping"
        return "ready" if now.is_ready else "starting"

    def _start(self, worker: Worker, now_s: float) -> None:
        # What an earlier supervisor left, and children of the one that ended.
        stop_locked(self._home.run, [self._name])
        self._restarts += 1
        try:
            spawned = spawn(
                self._home,
                worker.server(),
                self._log_limit_bytes,
                environment=inherited(os.environ),
                keeper=NAME,
                in_child=self._in_child,
            )
        except (LocalError, OSError) as error:
            self._failed(exits.not_started(error, _now_ms()), 0.0, now_s)
            return
        self._running = _Running(worker, spawned, since_s=now_s, asked_at_s=-math.inf)
        log.info("%s: started (pid %d)", self._name, spawned.process.pid)

    def _ask(self, now: _Running) -> None:
        answer, now.asked_at_s = now.worker.answer(), time.monotonic()
        idle = answer == "idle"
        now.idle_since_s = min(now.idle_since_s, now.asked_at_s) if idle else math.inf
        now.is_ready = answer == "yes" or now.asked_at_s >= now.idle_since_s + _IDLE_S
        if now.is_ready:
            self._failures = 0
            log.info("%s: ready after %.1f s", self._name, now.asked_at_s - now.since_s)

    def _ended(self, now: _Running, returncode: int, now_s: float) -> None:
        self._running = None
        lived_s = now_s - now.since_s
        path, from_byte = self._home.logs / f"{self._name}.log", now.spawned.log_from_byte
        words = exits.last_words(path, from_byte, returncode)
        found = exits.ended(now.process.pid, returncode, lived_s, _now_ms(), words)
        if self._wanted is None:
            records.forget(self._home.run, self._name)
        if not now.stopping:
            self._failed(found, lived_s, now_s)
            if words is None or found.code == 1:
                quoted = logs.last_lines(path, from_byte, _LINES)
                log.warning("%s: the end of %s:\n%s", self._name, path, quoted)
        elif returncode in (0, -signal.SIGTERM):  # the latter before it could take the signal
            log.info("%s: stopped", self._name)
        else:
            log.warning("%s %s, while it was stopping", self._name, found)

    def _failed(self, found: Exit, lived_s: float, now_s: float) -> None:
        delay_s = self._backoff.after(lived_s)
        self._exit, self._failures = found, self._failures + 1
        self._starts_at_s = now_s + delay_s
        self._starts_at_ms = found.at_ms + round(delay_s * 1000)
        log.error("%s %s; it is started again in %.1f s", self._name, found, delay_s)

    def _insist(self, now: _Running, now_s: float) -> None:
        if now_s < now.kill_at_s:
            return
        log.error("%s: did not stop in time and is killed", self._name)
        now.kill_at_s = now_s + _KILL_AGAIN_S
        with suppress(psutil.Error):
            process = psutil.Process(now.process.pid)
            for member in (*process.children(recursive=True), process):
                member.kill()


def inherited(environment: Mapping[str, str]) -> dict[str, str]:
    """What the supervising process hands on. Its own settings are of the `up` that started it, and
    must not fill in what a later one left out.
    """
    return {name: value for name, value in environment.items() if not name.startswith("TIDEMILL_")}


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
