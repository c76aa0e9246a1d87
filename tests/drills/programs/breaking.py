"""A worker that dies, or falls asleep, at one numbered step of what it does.

Run as `python -m tests.drills.programs.breaking recommend`. TIDEMILL_DRILL_AT names the step,
TIDEMILL_DRILL_PASS how often it is passed until then (from 1), TIDEMILL_DRILL_SIGNAL what it sends
itself there: SIGKILL, or SIGSTOP to be a zombie for as long as somebody likes.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from schemas.state import MARKER_KEY, POSITION_KEY, USER_KEY_PREFIX
from schemas.topics import RECOMMENDATIONS, STATE_CHANGELOG
from streams import worker
from streams.lane import checkpoint, opening, restoring, writing
from streams.lane.contract import Produced
from streams.stages import due, recommend
from streams.state.store import Change, Store

COMMIT = (
    "commit.1 forwarded",
    "commit.2 answer produced",
    "commit.3 state produced",
    "commit.3 marker produced",
    "commit.4 position produced",
    "commit.5 committing",
    "commit.5 committed",
    "commit.6 stored",
)
FLUSH = ("flush committed", "flush half stored")
OPENING = (
    "open.1 fenced",
    "open.2 store opened",
    "open.3 restoring",
    "open.3 restored",
    "open.4 believed",
    "open.5 replaying",
    "open.6 replayed",
    "due.1 begun",
    "due.2 reading",
    "due.3 read",
)
CLOSING = ("close.1 draining", "close.2 drained")
STEPS = (*COMMIT, *FLUSH, *OPENING, *CLOSING)

_passes = 0
_thread = threading.local()
"""`flushing`: whether this thread commits, and so writes a flush to the store."""


def at(step: str) -> None:
    """The worker passes a step."""
    global _passes  # noqa: PLW0603
    if step != os.environ["TIDEMILL_DRILL_AT"]:
        return
    _passes += 1
    if _passes == int(os.environ["TIDEMILL_DRILL_PASS"]):
        os.kill(os.getpid(), signal.Signals[os.environ["TIDEMILL_DRILL_SIGNAL"]])


_PRODUCED = {
    USER_KEY_PREFIX: "commit.3 state produced",
    MARKER_KEY: "commit.3 marker produced",
    POSITION_KEY: "commit.4 position produced",
}
"""Type byte of a changelog's key -> the step."""


def _in_forwarding() -> None:
    forward = writing.Forward.__call__

    def forwarding(self: writing.Forward, records: Sequence[Produced], deadline: float) -> None:
        forward(self, records, deadline)
        if records:
            at("commit.1 forwarded")

    writing.Forward.__call__ = forwarding  # type: ignore[method-assign]


def _in_producing() -> None:
    produce = checkpoint.produce

    def producing(producer: Any, records: Sequence[Produced], *rest: Any) -> None:
        for record in records:
            produce(producer, [record], *rest)
            if record.topic == RECOMMENDATIONS.name:
                at("commit.2 answer produced")
            elif record.topic == STATE_CHANGELOG.name:
                at(_PRODUCED[(record.key or b"")[:1]])

    checkpoint.produce = producing


def _in_waiting() -> None:
    until = checkpoint.until

    def waiting(deadline: float, what: str, step: writing.Step) -> None:
        commits = what.startswith("commit")
        if commits:
            at("commit.5 committing")
        until(deadline, what, step)
        at("commit.5 committed" if commits else "open.1 fenced")

    checkpoint.until = waiting


def _in_store() -> None:
    init, write = Store.__init__, Store.write

    def opened(self: Store, *arguments: Any) -> None:
        init(self, *arguments)
        at("open.2 store opened")

    def written(self: Store, changes: Iterable[Change], restored_to: int | None = None) -> None:
        kept = list(changes)
        flushing = getattr(_thread, "flushing", False) and len(kept) > 1
        if os.environ["TIDEMILL_DRILL_AT"] == "flush half stored" and flushing:
            # RocksDB writes all or nothing; half of it is more than a real death leaves.
            write(self, kept[: len(kept) // 2])
            at("flush half stored")
        write(self, kept, restored_to)

    Store.__init__ = opened  # type: ignore[method-assign]
    Store.write = written  # type: ignore[method-assign]


def _in_commit() -> None:
    commit, attempt = (
        checkpoint.TransactionalCheckpoint.commit,
        checkpoint.TransactionalCheckpoint._attempt,
    )

    def committed(self: Any, slot: Any, behind: Any, outcome: Any) -> None:
        _thread.flushing = True
        commit(self, slot, behind, outcome)
        _thread.flushing = False
        if outcome.flush.changes:
            at("commit.6 stored")

    def attempted(self: Any, producer: Any, slot: Any, outcome: Any, *rest: Any) -> Any:
        end = attempt(self, producer, slot, outcome, *rest)
        if outcome.flush.changes and end is not None:
            at("flush committed")
        return end

    checkpoint.TransactionalCheckpoint.commit = committed  # type: ignore[method-assign]
    checkpoint.TransactionalCheckpoint._attempt = attempted  # type: ignore[method-assign]


def _in_opening() -> None:
    restore, believed, counted = checkpoint.restore, checkpoint._believed, opening._counted
    read_to_end = restoring.clients.read_to_end

    def restoring_(*arguments: Any) -> int:
        def passing(*inner: Any) -> Iterator[Any]:
            for message in read_to_end(*inner):
                at("open.3 restoring")
                yield message

        restoring.clients.read_to_end = passing
        try:
            read = restore(*arguments)
        finally:
            restoring.clients.read_to_end = read_to_end
        at("open.3 restored")
        return read

    def believing(*arguments: Any) -> Any:
        found = believed(*arguments)
        at("open.4 believed")
        return found

    def replaying(*arguments: Any) -> Iterator[Any]:
        for message in counted(*arguments):
            at("open.5 replaying")
            yield message
        at("open.6 replayed")

    checkpoint.restore = restoring_
    checkpoint._believed = believing
    opening._counted = replaying


def _in_due() -> None:
    read, note = due.read, due.note

    def reading(*arguments: Any) -> Any:
        at("due.1 begun")
        found = read(*arguments)
        at("due.3 read")
        return found

    def noting(*arguments: Any) -> None:
        note(*arguments)
        at("due.2 reading")

    due.read = reading
    due.note = noting


def _in_closing() -> None:
    drain = recommend.Recommend.drain

    def draining(self: Any, *arguments: Any) -> Any:
        at("close.1 draining")
        outcome = drain(self, *arguments)
        if outcome is None:
            at("close.2 drained")
        return outcome

    recommend.Recommend.drain = draining  # type: ignore[method-assign]


ARM: Sequence[Callable[[], None]] = (
    _in_forwarding,
    _in_producing,
    _in_waiting,
    _in_store,
    _in_commit,
    _in_opening,
    _in_due,
    _in_closing,
)

if __name__ == "__main__":
    for arm in ARM:
        arm()
    worker.main(sys.argv[1:])
