"""A worker of `recommend` under measurement, asked from outside: by its metrics and its log.

Its states lie in a folder that outlives it, so the next one with that folder goes on from there.
"""

import re
import sys
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Literal

from prometheus_client.parser import text_string_to_metric_families

from infra.local import ports
from schemas.topics import USER_EVENTS
from tests.benchmarks.problems import BenchmarkError
from tests.benchmarks.processes import Measured
from tests.benchmarks.servers import Servers

Slate = Literal["constant", "each", "model"]
"""What it answers with: a constant slate, the newest ask of each batch only or each; or what the
model in Triton says.
"""
_DEADLINE_S = 300.0
_POLL_S = 0.05
_ANSWER_S = 10.0
_PROGRAMS: Mapping[Slate, Sequence[str]] = {
    "constant": ("tests.benchmarks.constant", "newest"),
    "each": ("tests.benchmarks.constant", "each"),
    "model": ("streams.worker", "recommend"),
}
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
_LINE = re.compile(r"^(\S+ \S+) INFO \S+: (assigned user-events|user-events-\d+ is open)")


class Worker(Measured):
    """`settings` are those of the worker by their names, beside where its servers are."""

    def __init__(
        self, servers: Servers, slate: Slate, folder: Path, log: str, **settings: object
    ) -> None:
        self._port = ports.free_port()
        self.state = folder / "state"
        folder.mkdir(parents=True, exist_ok=True)
        given = {
            "kafka": servers.settings.kafka,
            "triton": ",".join(servers.settings.triton),
            "partitions": servers.settings.partitions,
            "region": servers.settings.region,
            "peers": "",
            "state_dir": self.state,
            "metrics_port": self._port,
            **settings,
        }
        environment = {f"TIDEMILL_{name.upper()}": str(value) for name, value in given.items()}
        command = [sys.executable, "-m", *_PROGRAMS[slate]]
        super().__init__(command, environment, folder / f"{log}.log")

    def metric(self, sample: str, **labels: str) -> float:
        """The sum of the samples of this name with these labels; 0 where nobody answers yet."""
        try:
            with _DIRECT.open(f"http://{ports.HOST}:{self._port}/metrics", timeout=_ANSWER_S) as at:
                text = at.read().decode()
        except OSError:
            if self.has_ended:
                raise BenchmarkError(f"{self.log.stem} ended: {self.last_words}") from None
            return 0.0
        return sum(
            found.value
            for family in text_string_to_metric_families(text)
            for found in family.samples
            if found.name == sample and labels.items() <= found.labels.items()
        )

    def open_partitions(self) -> int:
        return int(self.metric("tidemill_phase", tidemill_phase="open"))

    def events(self) -> int:
        """Read, folded, answered and committed by this process."""
        return int(self.metric("tidemill_events_total", topic=USER_EVENTS.name))

    def opened(self) -> int:
        """Partitions that its log calls open."""
        return sum("is open" in line[2] for line in self._lines())

    def opening_s(self) -> float:
        """From its assignment to the last partition's opening, by its log."""
        times = [datetime.strptime(line[1], "%Y-%m-%d %H:%M:%S,%f") for line in self._lines()]  # noqa: DTZ007
        return (times[-1] - times[0]).total_seconds()

    def _lines(self) -> list[re.Match[str]]:
        return [line for line in map(_LINE.match, self.log.read_text().splitlines()) if line]


def until(condition: Callable[[], bool], what: str, poll_s: float = _POLL_S) -> None:
    """Raises BenchmarkError where it does not become so."""
    ends_s = time.monotonic() + _DEADLINE_S
    while not condition():
        if time.monotonic() > ends_s:
            raise BenchmarkError(f"not within {_DEADLINE_S:.0f} s: {what}")
        time.sleep(poll_s)


def until_open(worker: Worker, partitions: int) -> None:
    until(lambda: worker.open_partitions() == partitions, f"{worker.log.stem} has its partitions")
