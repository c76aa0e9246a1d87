"""A process under measurement: its CPU, its memory, and when it told its progress.

CPU is user plus system time of the process and all that it started; memory is the resident set of
all of them together, looked at every 50 ms. Both are read from outside: nothing in the process is
slowed by it.
"""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from tests.benchmarks.problems import BenchmarkError

CHECKOUT = Path(__file__).parents[2]
_SAMPLE_S = 0.05
_FAMILY_EVERY = 10
"""Samples between two looks for children: that look walks over all processes of the machine."""
_STOP_S = 60.0
_TOLD_LINES = 5


@dataclass(frozen=True)
class Mark:
    """A moment: the clock and the CPU that was used until then, both in seconds."""

    at_s: float
    cpu_s: float


class Measured:
    """A running process; leaving the block stops it."""

    def __init__(self, command: Sequence[str], env: Mapping[str, str], log: Path) -> None:
        self.log = log
        self._started_s = time.monotonic()
        with log.open("ab") as errors:
            self._process = subprocess.Popen(
                command,
                cwd=CHECKOUT,
                env=os.environ | {"PYTHONPATH": str(CHECKOUT)} | env,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
            )
        self._root = psutil.Process(self._process.pid)
        self._family = [self._root]
        self._marks: dict[str, Mark] = {}
        self._changed = threading.Condition()
        self._ended = False
        self.peak_rss_bytes = 0
        self._threads = [
            threading.Thread(target=target, daemon=True) for target in (self._listen, self._sample)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def started_s(self) -> float:
        return self._started_s

    def mark(self) -> Mark:
        """Now."""
        cpu_s = 0.0
        for process in self._family:
            with suppress(psutil.Error):
                times = process.cpu_times()
                cpu_s += times.user + times.system
                if process is self._root:  # children that have ended and were waited for
                    cpu_s += times.children_user + times.children_system
        return Mark(time.monotonic(), cpu_s)

    def pin(self, cpu: int) -> None:
        """All threads from here on run on this core alone, as under taskset."""
        self._root.cpu_affinity([cpu])

    def pause(self) -> None:
        """SIGSTOP; it keeps what it holds if its session is long enough."""
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        """SIGTERM, and returns when it has ended; after a minute SIGKILL."""
        self._process.send_signal(signal.SIGCONT)
        self._process.terminate()
        try:
            self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def wait_for_end(self, deadline_s: float) -> None:
        """Returns when it has ended by itself, as it should. Raises BenchmarkError."""
        try:
            code = self._process.wait(deadline_s)
        except subprocess.TimeoutExpired:
            raise BenchmarkError(f"{self.log.stem} did not end within {deadline_s:.0f} s") from None
        if code != 0:
            raise BenchmarkError(f"{self.log.stem} ended with {code}: {self.last_words}")

    @property
    def has_ended(self) -> bool:
        return self._process.poll() is not None

    def wait_for(self, line: str, deadline_s: float) -> Mark:
        """When the process wrote this line. Raises BenchmarkError if it never does."""
        with self._changed:
            self._changed.wait_for(lambda: line in self._marks or self._ended, deadline_s)
            if line in self._marks:
                return self._marks[line]
        what = "ended" if self._ended else f"was not there after {deadline_s:.0f} s"
        raise BenchmarkError(f"{self.log.stem} {what} before it told {line!r}: {self.last_words}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
        for thread in self._threads:
            thread.join()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            mark = self.mark()
            with self._changed:
                self._marks[line.decode(errors="replace").strip()] = mark
                self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _sample(self) -> None:
        sample = 0
        while self._process.poll() is None:
            if sample % _FAMILY_EVERY == 0:
                with suppress(psutil.Error):
                    self._family = [self._root, *self._root.children(recursive=True)]
            rss_bytes = 0
            for process in self._family:
                with suppress(psutil.Error):
                    rss_bytes += process.memory_info().rss
            self.peak_rss_bytes = max(self.peak_rss_bytes, rss_bytes)
            sample += 1
            time.sleep(_SAMPLE_S)

    @property
    def last_words(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines()[-_TOLD_LINES:]
        return " | ".join(line.strip() for line in lines if line.strip()) or "it wrote nothing"
