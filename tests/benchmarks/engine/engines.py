"""The engines by name: how each is started, where its slates go, how many events it gets at most.

Slow ones get fewer events of the same topic: enough to be steady, and the document says so.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass

from infra.local.home import Home
from schemas.topics import RECOMMENDATIONS
from tests.benchmarks.peers import install
from tests.benchmarks.peers.progress import Call

Report = Callable[[str], None]
_OWN = sys.executable


@dataclass(frozen=True)
class Engine:
    """`command` gives what is started, without the arguments; it installs what is missing.

    `at_most`: events that it gets, the first of all. `quiet_s`: how long it may write nothing
    before it writes again (a commit interval, a flush), so that its end is not taken too early.
    """

    name: str
    command: Callable[[Home, Report], list[str]]
    at_most: int | None = None
    quiet_s: float = 2.0
    flushes: bool = False
    """Whether TIDEMILL_FLUSH_S may pass besides before its states are durable."""
    answers_each: bool = True
    """Whether it writes exactly one slate per event; a run in which it did not is an error."""
    output: str | None = None
    """The declared topic that it writes to; None: a topic of its own."""

    def arguments(self, call: Call) -> list[str]:
        return [call.broker, call.output, str(call.events), str(call.folder)]


def _module(name: str, *more: str) -> Callable[[Home, Report], list[str]]:
    return lambda _home, _report: [_OWN, "-m", f"tests.benchmarks.{name}", *more]


def _peer(name: str) -> Callable[[Home, Report], list[str]]:
    def command(home: Home, report: Report) -> list[str]:
        return [str(install.python(home.tools, report)), "-m", f"tests.benchmarks.peers.{name}"]

    return command


def _tidemill(name: str, answered: str) -> Engine:
    return Engine(
        name,
        _module("engine.tidemill_worker", answered),
        flushes=True,
        answers_each=answered == "each",
        output=RECOMMENDATIONS.name,
    )


ENGINES = {
    engine.name: engine
    for engine in (
        Engine("raw", _module("peers.raw")),
        _tidemill("tidemill", "newest"),
        _tidemill("tidemill_per_event", "each"),
        Engine("kafka_streams", lambda home, report: install.kafka_streams(home.tools, report)),
        # Its checkpoints are 5 s apart.
        Engine("quix", _peer("quix"), at_most=300_000, quiet_s=6.5),
        Engine("bytewax", _peer("bytewax_flow"), at_most=300_000),
        Engine("faust", _module("peers.faust_table"), at_most=60_000, quiet_s=4.0),
    )
}
