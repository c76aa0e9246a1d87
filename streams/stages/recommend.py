"""The `recommend` stage: what people do, into what to show them.

    records ─ intake ─► states, dead letters, forwarded records, asks
                           asks ─ answering ─► recommendations

All of it, with the input position, commits in one transaction (streams/lane/checkpoint.py).
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass

from schemas.codec import EventDecoder
from schemas.topics import USER_EVENTS
from streams import metrics
from streams.lane.contract import Batch, Outcome, Record, Slot
from streams.lane.errors import Fatal
from streams.scoring.client import Scorer
from streams.settings import Settings
from streams.stages.answering import Answer, Answering
from streams.stages.intake import Ask, Intake, Partition
from streams.stages.known import Known
from streams.topology import Node, origins


@dataclass(frozen=True)
class _Done:
    """What the batch in flight came to, to be counted once it is committed."""

    intake: Intake
    asks: list[Ask]
    answers: list[Answer]


class Recommend:
    def __init__(self, node: Node, settings: Settings, fatal: Fatal) -> None:
        self._settings = settings
        self._fatal = fatal
        self._known = Known(node, settings)
        self._origins = origins(USER_EVENTS, settings.region, settings.peers)
        self._scorer = Scorer(settings.triton)
        self._answering = Answering(settings, self._known, self._scorer)
        self._partitions: dict[Slot, Partition] = {}
        self._done: dict[Slot, _Done] = {}

    async def start(self) -> None:
        await self._known.start(self._fatal)

    async def stop(self) -> None:
        await self._known.stop()
        await self._scorer.close()

    def open(self, slot: Slot) -> None:
        self._partitions[slot] = Partition(
            slot.partition,
            self._settings.partitions,
            self._origins,
            self._settings.region,
            frozenset(self._settings.asking_kinds),
            EventDecoder(),
        )

    def replay(self, slot: Slot, records: Iterable[Record]) -> None:
        self._partitions[slot].replay(records)

    async def process(self, batch: Batch) -> Outcome:
        partition = self._partitions[batch.slot]
        intake = partition.take(batch.records)
        asks = self._answering.open_asks(partition, intake)
        answers = await self._answering.answer(partition, asks, intake.first_appended_ms)
        self._done[batch.slot] = _Done(intake, asks, answers)
        return Outcome(
            produce=[*(answer.record for answer in answers), *intake.dead_letters],
            forward=intake.forward,
        )

    def committed(self, batch: Batch, outcome: Outcome) -> None:  # noqa: ARG002
        done = self._done.pop(batch.slot)
        partition = self._partitions[batch.slot]
        for ask in done.asks:
            event = ask.event
            partition.recent.add(event.user_id, event.event_id, event.surface, ask.appended_at_ms)
        now_s = time.time()
        for answer in done.answers:
            fallback = answer.fallback or "none"
            metrics.RECOMMENDATIONS.labels(answer.surface, fallback, answer.version).inc()
            seconds = max(0.0, now_s - answer.appended_at_ms / 1000)
            metrics.ANSWER_SECONDS.labels(answer.surface).observe(seconds)
        for topic, reason in done.intake.refused:
            metrics.DEAD_LETTERS.labels(topic, reason).inc()
        for producer in done.intake.forwarded_for:
            metrics.FORWARDED.labels(producer).inc()
        metrics.USERS.labels(str(batch.slot.partition)).set(len(partition.users))

    def close(self, slot: Slot) -> None:
        self._partitions.pop(slot, None)
        self._done.pop(slot, None)
