"""How an engine under measurement is called, and how it tells its progress.

A line on stdout, written at once: `first` when the first event is in hand, `half` and `last` when
so many were worked on. Whoever measures reads CPU and clock when a line arrives, so an engine
spends nothing on measuring itself. Standard library only: it runs in every environment.
"""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

TOPIC = "user-events"
PARTITIONS = 4


@dataclass(frozen=True)
class Call:
    """The arguments: BROKER OUTPUT EVENTS FOLDER.

    `output` is the topic to write to and the name of the consumer group. After `events` events
    an engine does nothing with what it still reads. `folder` is empty but for the slate.
    """

    broker: str
    output: str
    events: int
    folder: Path

    @classmethod
    def from_arguments(cls) -> "Call":
        broker, output, events, folder = sys.argv[1:]
        return cls(broker, output, int(events), Path(folder))


class Progress:
    """Counts events and tells where the run is."""

    def __init__(self, events: int) -> None:
        self._events = events
        self._half = events // 2
        self._done = 0

    def take(self, count: int = 1) -> bool:
        """Called with events in hand, before they are worked on; False once all were taken."""
        before = self._done
        if before >= self._events:
            return False
        if before == 0:
            _tell("first")
        self._done = done = before + count
        if before < self._half <= done:
            _tell("half")
        if done >= self._events:
            _tell("last")
        return True


def _tell(line: str) -> None:
    # Frameworks replace sys.stdout, and leave half a line there.
    os.write(sys.__stdout__.fileno(), f"\n{line}\n".encode())
