"""The `recommend` stage: what people do, into what to show them.

    records ─ intake ─► states, dead letters, forwarded records, asks
                           asks, and those still due ─ answering ─► recommendations

All of it, with a slice of the states and the input position, commits in one transaction
(streams/lane/checkpoint.py).
"""

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from schemas.recommendations import Fallback
from schemas.topics import USER_EVENTS
from streams import memory, metrics
from streams.lane.contract import Batch, Offsets, Outcome, Record, Slot, StageWait
from streams.lane.errors import Fatal
from streams.lane.figures import SILENT_S
from streams.scoring.client import Scorer
from streams.settings import Settings
from streams.stages import due
from streams.stages.answering import Answer, Answering
from streams.stages.asks import earliest
from streams.stages.intake import Partition
from streams.stages.known import Known
from streams.stages.taken import Intake
from streams.state.store import Store
from streams.topology import Node, origins

log = logging.getLogger(__name__)

_DUE_TOGETHER = 128
"""Due asks that are answered with a batch: four requests, so that new asks do not wait long."""
_READING = 2
"""Partitions whose due asks are read at once: each holds two minutes of answers for that time."""
_MB = 1_000_000


@dataclass(frozen=True)
class _Done:
    """What the batch in flight came to, to be counted once it is committed."""

    refused: Sequence[tuple[str, str]]
    forwarded_for: Sequence[str]
    answers: Sequence[Answer]


class Recommend:
    def __init__(self, node: Node, settings: Settings, fatal: Fatal) -> None:
        self._settings = settings
        self._fatal = fatal
        self._known = Known(node, settings)
        self._origins = origins(USER_EVENTS, settings.region, settings.peers)
        self._scorer = Scorer(
            settings.triton, policy=settings.triton_balancing, hedges=settings.triton_hedges
        )
        self._answering = Answering(settings, self._known, self._scorer)
        self._reading = ThreadPoolExecutor(_READING, "due")
        self._partitions: dict[Slot, Partition] = {}
        self._done: dict[Slot, _Done] = {}
        self._step: dict[Slot, tuple[StageWait, float]] = {}
        """For what the batch in process waits, if it does, and since when."""
        self._returns = memory.Returns(time.time())

    async def start(self) -> None:
        await self._known.start(self._fatal)

    async def stop(self) -> None:
        await self._known.stop()
        await self._scorer.close()
        self._reading.shutdown(cancel_futures=True)

    def open(self, slot: Slot, store: Store | None) -> None:
        assert store is not None  # this stage keeps states
        self._partitions[slot] = Partition(
            slot.partition, store, self._settings, self._origins, time.monotonic()
        )

    def replay(self, slot: Slot, topic: str, records: Iterable[Record]) -> None:
        self._partitions[slot].replay(topic, records)

    def wants(self, slot: Slot, behind: Offsets) -> bool:
        partition = self._partitions[slot]
        return (
            partition.epochs != self._known.epochs()
            or (len(partition.due) > 0 and self._may_answer_due(partition))
            or partition.digests.is_ready
            or partition.cycle.is_due(partition.users, behind, time.monotonic())
        )

    async def process(self, batch: Batch) -> Outcome:
        partition = self._partitions[batch.slot]
        hot_bytes = self._settings.hot_mb * _MB // len(self._partitions)
        partition.users.bound(hot_bytes, partition.cycle.holds)
        self._step[batch.slot] = "logs", time.monotonic()
        misplaced = await self._look_for_due(partition, batch.before)
        self._step.pop(batch.slot, None)
        intake = Intake()
        partition.forward(misplaced, intake)
        most_asks = self._settings.pending_asks // len(self._partitions)
        async for run in batch.growing():
            partition.take(run, intake)
            if len(intake.own) >= most_asks:
                batch.complete()
        # Until they are answered, asks that were due are what is not answered.
        answered_before_ms = earliest(intake.first_appended_ms, partition.due.oldest_ms())
        late = partition.due.take(_DUE_TOGETHER, intake.asks)
        self._step[batch.slot] = "triton", time.monotonic()
        answers, still_due = await self._answering.answer(
            partition.number,
            partition.users.get,
            [*late, *intake.asks.values()],
            partition.epochs,
            answered_before_ms,
            partition.late,
        )
        self._step.pop(batch.slot, None)
        partition.due.put_back(still_due)
        partition.sample.begin(
            intake.sampled,
            lambda ask: self._answering.plan(ask, partition.users.get(ask.event.user_id)),
            self._answering.sample,
        )
        self._done[batch.slot] = _Done(intake.refused, intake.forwarded_for, answers)
        return Outcome(
            produce=[
                *(answer.record for answer in answers),
                *intake.dead_letters,
                *partition.digests.take(),
            ],
            forward=intake.forward,
            flush=partition.cycle.take(partition.users, batch.behind, time.monotonic()),
        )

    def committed(self, batch: Batch, outcome: Outcome) -> None:
        done = self._done.pop(batch.slot)
        partition = self._partitions[batch.slot]
        now_s = time.time()
        self._count(done.answers, now_s)
        if outcome.flush.marker is not None:
            metrics.MARKER_TIME.labels(str(partition.number)).set(now_s)
        for topic, reason in done.refused:
            metrics.DEAD_LETTERS.labels(topic, reason).inc()
        for producer in done.forwarded_for:
            metrics.FORWARDED.labels(producer).inc()
        if self._returns.is_due(len(done.answers), now_s):
            self._reading.submit(memory.give_back)

    def report(self, slot: Slot, behind: Offsets) -> StageWait | None:
        partition = self._partitions[slot]
        number, users = str(partition.number), partition.users
        rotation_ms = self._known.ownerships.rotation_ms
        partition.digests.advance(users, partition.folded_to, time.time(), rotation_ms)
        metrics.USERS.labels(number, "hot").set(users.hot)
        metrics.USERS.labels(number, "all").set(users.estimated)
        metrics.USER_BYTES.labels(number).set(users.mean_bytes)
        metrics.DIRTY_USERS.labels(number).set(users.dirty_count)
        metrics.DUE_ASKS.labels(number).set(len(partition.due))
        if partition.cycle.is_clean(users, behind):
            metrics.MARKER_TIME.labels(number).set(time.time())
        step, since = self._step.get(slot, (None, 0.0))
        if step is not None and time.monotonic() - since > SILENT_S:
            return step
        if len(partition.due) > 0 and self._scorer.is_failing:
            return "triton"
        return None if self._known.epochs() else "ownership"

    def drain(self, slot: Slot, behind: Offsets) -> Outcome | None:
        partition = self._partitions[slot]
        if partition.cycle.is_clean(partition.users, behind):
            return None
        now_s = time.monotonic()
        return Outcome(flush=partition.cycle.take(partition.users, behind, now_s, whole=True))

    def close(self, slot: Slot) -> None:
        partition = self._partitions.pop(slot, None)
        if partition is not None:
            partition.late.close()
            partition.sample.close()
        self._done.pop(slot, None)
        self._step.pop(slot, None)

    def _may_answer_due(self, partition: Partition) -> bool:
        """While Triton is away, a probe a second is enough."""
        if partition.late.is_given_up:
            return True
        return not partition.late.is_waiting and not self._scorer.is_away

    def _count(self, answers: Sequence[Answer], now_s: float) -> None:
        alike: dict[tuple[str, Fallback | None, str], list[int]] = defaultdict(list)
        for answer in answers:
            alike[answer.surface, answer.fallback, answer.version].append(answer.appended_at_ms)
        for (surface, fallback, version), times_ms in alike.items():
            metrics.RECOMMENDATIONS.labels(surface, fallback or "none", version).inc(len(times_ms))
            waited_s = [max(0.0, now_s - time_ms / 1000) for time_ms in times_ms]
            metrics.ANSWER_SECONDS.observe(surface, waited_s)

    async def _look_for_due(self, partition: Partition, before: Offsets) -> list[Record]:
        """For each origin at whose present epoch this partition's asks were not looked for yet.
        What is to be forwarded, because the origin's own region may be gone.
        """
        epochs = self._known.epochs()
        if epochs == partition.epochs:
            return []
        forward: list[Record] = []
        ownerships = dict(self._known.ownerships.origins)
        for origin in due.changed(partition.epochs, epochs):
            if origin not in epochs:
                partition.forget(origin)
                continue
            began = time.monotonic()
            found, misplaced = await asyncio.get_running_loop().run_in_executor(
                self._reading, due.read, self._settings, partition, origin, ownerships, before
            )
            partition.learn(origin, *found)
            forward += misplaced
            log.info(
                "partition %d: %d asks of origin %s are due at epoch %d (read in %.1f s)",
                partition.number, len(found.due), origin, epochs[origin],
                time.monotonic() - began,
            )  # fmt: skip
        partition.epochs = epochs
        return forward
