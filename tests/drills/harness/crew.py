"""The workers of a drill: started again when they end, as a supervisor would, and remembered.

A thread keeps them up; whoever breaks one says first that it should be down. How each ended by
itself is written down, for a worker that gives up where it need not is a finding, too.
"""

import re
import shutil
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from streams.lane.errors import DeadlineError, FencedError, LaneError
from tests.drills.harness.waiting import until
from tests.servers.workers import WORKER, Worker

_LOOK_S = 0.1
_AGAIN_S = 0.3
"""Before a worker that ended is started again."""
_SAMPLE_S = 0.5
PASSING = frozenset((FencedError.exit_code, DeadlineError.exit_code, LaneError.exit_code))
"""Exits that a fault may cause: a partition lost, a wait in vain, a broker that went."""


@dataclass(eq=False)
class Member:
    """One worker with its disk and its log, over all its processes."""

    name: str
    worker: Worker
    state_dir: Path
    wanted: bool = True
    again_at: float = 0.0
    peak_mb: float = 0.0

    @property
    def pid(self) -> int:
        assert self.worker.process is not None
        return self.worker.process.pid

    @property
    def is_running(self) -> bool:
        return self.worker.process is not None and self.worker.process.poll() is None

    def wipe(self) -> None:
        """A new disk, or a new machine."""
        shutil.rmtree(self.state_dir, ignore_errors=True)

    def log_text(self) -> str:
        return self.worker.log.read_text(errors="replace") if self.worker.log.exists() else ""

    @property
    def has_joined(self) -> bool:
        """Whether this process was told its partitions; before, SIGTERM ends it at once."""
        log = self.worker.log
        return log.exists() and b" assigned " in log.read_bytes()[self.worker.log_start :]

    def rss_mb(self) -> float:
        with suppress(psutil.Error):
            return float(psutil.Process(self.pid).memory_info().rss) / 1e6
        return 0.0


@dataclass
class Crew:
    folder: Path
    settings: dict[str, Any]
    stage: str = "recommend"
    placed: Callable[[Callable[[], object]], object] = lambda start: start()
    """Calls what starts a process where that belongs."""
    members: list[Member] = field(default_factory=list)
    exits: list[tuple[str, int, str]] = field(default_factory=list)
    """(worker, exit code, what it said) of each that ended by itself."""

    def __post_init__(self) -> None:
        self._lock = threading.RLock()
        self._ending = threading.Event()
        self._keeper = threading.Thread(target=self._keep, name="crew", daemon=True)
        self._keeper.start()

    def add(
        self,
        count: int = 1,
        *,
        program: Sequence[str] = WORKER,
        wanted: bool = True,
        **settings: object,
    ) -> list[Member]:
        """More workers, each with a disk of its own. Not `wanted`: it is not started again."""
        added = []
        for _ in range(count):
            name = f"{self.stage}-{len(self.members)}"
            state_dir = self.folder / "state" / name
            given = {**self.settings, "state_dir": state_dir, **settings}
            worker = Worker(self.stage, self.folder / f"{name}.log", given, tuple(program))
            member = Member(name, worker, Path(given["state_dir"]), wanted)
            with self._lock:
                self.placed(worker.start)
                self.members.append(member)
            added.append(member)
        return added

    def kill(self, member: Member, *, wipe: bool = False, again: bool = True) -> None:
        """SIGKILL; by default it starts again at once."""
        with self._lock:
            member.wanted = False
            if member.is_running:
                member.worker.kill()
            if wipe:
                member.wipe()
            if again:
                self.start(member)

    def forget(self) -> None:
        """Nobody is started again any more; for who is about to kill them all."""
        with self._lock:
            for member in self.members:
                member.wanted = False

    def start(self, member: Member) -> None:
        with self._lock:
            self.placed(member.worker.start)
            member.wanted = True

    def pause(self, member: Member) -> None:
        """SIGSTOP: to all others it looks dead, to itself no time passes."""
        member.worker.signal(signal.SIGSTOP)

    def resume(self, member: Member) -> None:
        member.worker.signal(signal.SIGCONT)

    def leave(self, *members: Member) -> list[int]:
        """SIGTERM to all of them at once; their exit codes."""
        with self._lock:
            for member in members:
                member.wanted = False
                if member.is_running:
                    member.worker.signal(signal.SIGTERM)
        return [member.worker.wait() for member in members]

    def stop(self) -> list[int]:
        """All of them in good order."""
        living = self.living()
        until("all are members", lambda: all(member.has_joined for member in living))
        return self.leave(*living)

    def living(self) -> list[Member]:
        with self._lock:
            return [member for member in self.members if member.wanted]

    def end(self) -> None:
        """Whatever still runs is killed."""
        self._ending.set()
        self._keeper.join()
        for member in self.members:
            member.wanted = False
            if member.is_running:
                member.worker.kill()

    @property
    def state_dirs(self) -> list[Path]:
        return [member.state_dir for member in self.members]

    @property
    def peak_mb(self) -> float:
        """Of any worker at any time."""
        return max((member.peak_mb for member in self.members), default=0.0)

    def exit_codes(self) -> Counter[int]:
        return Counter(code for _, code, _ in self.exits)

    def unexpected(self, allowed: Iterable[int] = PASSING) -> list[str]:
        """Those that should not have ended like that."""
        fine = {*allowed, 0}
        return [
            f"{name}: exit {code}: {said}" for name, code, said in self.exits if code not in fine
        ]

    def _keep(self) -> None:
        sampled = 0.0
        while not self._ending.wait(_LOOK_S):
            now = time.monotonic()
            with self._lock:
                for member in self.members:
                    self._look(member, now)
            if now - sampled > _SAMPLE_S:
                sampled = now
                for member in tuple(self.members):
                    if member.is_running:
                        member.peak_mb = max(member.peak_mb, member.rss_mb())

    def _look(self, member: Member, now: float) -> None:
        if not member.wanted or member.is_running:
            return
        if not member.again_at:
            assert member.worker.process is not None
            code = member.worker.process.returncode
            self.exits.append((member.name, code, _last_words(member.log_text())))
            member.again_at = now + _AGAIN_S
        elif now >= member.again_at:
            member.again_at = 0.0
            self.placed(member.worker.start)


_CRITICAL = re.compile(r"^.* CRITICAL .*?: (.*)$", re.MULTILINE)


def _last_words(log: str) -> str:
    said = _CRITICAL.findall(log)
    return said[-1] if said else log[-300:]
