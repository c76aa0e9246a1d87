"""Workers that are wrong on purpose: a checker that finds nothing wrong with them is worth nothing.

Run as `python -m tests.drills.programs.lying recommend` with TIDEMILL_DRILL_LIE naming one of LIES.
"""

import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from schemas.state import POSITION_KEY
from streams import worker
from streams.lane import checkpoint, clients
from streams.lane.contract import Outcome, Produced, Run
from streams.region.gate import Gate
from streams.stages import known, recommend
from streams.stages.intake import Partition
from streams.stages.taken import Intake
from streams.state.flushing import Slice
from streams.state.store import Change

_DROP_EVERY = 1_000


def flush_outside() -> None:
    """The marker commits with its batch; the states it speaks of are written a moment later, by
    an ordinary producer.
    """
    commit = checkpoint.TransactionalCheckpoint.commit
    producers: dict[int, Any] = {}

    def committing(self: Any, slot: Any, behind: Any, outcome: Outcome) -> None:
        states = outcome.flush.changes
        commit(self, slot, behind, replace(outcome, flush=Slice((), outcome.flush.marker)))
        if not states:
            return
        time.sleep(0.2)  # the moment in which a death counts
        producer = producers.setdefault(0, clients.idempotent_producer(self._settings))
        for record in checkpoint._as_records(states, slot.partition):
            producer.produce(
                record.topic, key=record.key, value=record.value, partition=slot.partition
            )
        producer.flush(10)

    checkpoint.TransactionalCheckpoint.commit = committing  # type: ignore[method-assign]


def position_first() -> None:
    """The position commits before what was made of the input up to it."""
    attempt = checkpoint.TransactionalCheckpoint._attempt

    def attempting(
        self: Any, producer: Any, slot: Any, outcome: Outcome, changes: Sequence[Change], *rest: Any
    ) -> int | None:
        position = [change for change in changes if change.key == POSITION_KEY]
        if (end := attempt(self, producer, slot, Outcome(), position, *rest)) is None:
            return end
        time.sleep(0.05)
        return attempt(self, producer, slot, outcome, changes, *rest)

    checkpoint.TransactionalCheckpoint._attempt = attempting  # type: ignore[method-assign]


def drops() -> None:
    """One event in a thousand is forgotten."""
    take = Partition.take
    seen = 0

    def taking(self: Partition, run: Run, taken: Intake) -> None:
        nonlocal seen
        first, seen = seen, seen + len(run.records)
        kept = [r for at, r in enumerate(run.records, first + 1) if at % _DROP_EVERY]
        if kept:
            take(self, Run(run.topic, kept), taken)

    Partition.take = taking  # type: ignore[method-assign]


def answers_twice() -> None:
    """Every hundredth answer goes out again with the next batch."""
    process = recommend.Recommend.process
    again: list[Produced] = []

    async def processing(self: Any, batch: Any) -> Outcome:
        outcome: Outcome = await process(self, batch)
        repeated, again[:] = list(again), []
        mine = [r for r in outcome.produce if r.topic == "recommendations"]
        again.extend(mine[::100])
        theirs = [r for r in repeated if r.partition == batch.slot.partition]
        return replace(outcome, produce=[*outcome.produce, *theirs])

    recommend.Recommend.process = processing  # type: ignore[method-assign]


def unfenced() -> None:
    """Each process has transactional ids of its own, so nobody is ever fenced."""
    made = clients.transactional_producer

    def making(settings: Any, transactional_id: str) -> Any:
        return made(settings, f"{transactional_id}-{os.getpid()}")

    clients.transactional_producer = making


LIES: dict[str, Callable[[], None]] = {
    "flush-outside": flush_outside,
    "position-first": position_first,
    "drops": drops,
    "answers-twice": answers_twice,
    "unfenced": unfenced,
}


def ungated() -> None:
    """It publishes for every origin, whoever owns it."""

    class Open(Gate):
        @property
        def epoch(self) -> int | None:
            return None if self.ownership is None else self.ownership.epoch

    known.Gate = Open  # type: ignore[misc]


REGION_LIES: dict[str, Callable[[], None]] = {"ungated": ungated}
"""Only of two regions can one see them."""

if __name__ == "__main__":
    {**LIES, **REGION_LIES}[os.environ["TIDEMILL_DRILL_LIE"]]()
    worker.main(sys.argv[1:])
