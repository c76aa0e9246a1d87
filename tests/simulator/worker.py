"""A `recommend` worker: the real intake, due asks, gate and headers around a cluster of records.

What the stage does with Kafka, Triton and a disk is left out: `process` follows
streams/stages/recommend.py step by step, and `_due` streams/stages/due.py `read`.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from schemas.recommendations import AnswerHeaders, CauseKey, HeaderWriter
from schemas.topics import RECOMMENDATIONS, REGION_OWNERSHIP, USER_EVENTS
from streams.region.copies import Copy
from streams.region.gate import Gate
from streams.region.ownership import Ownerships
from streams.settings import Settings
from streams.stages.asks import Ask, Order, Place, earliest
from streams.stages.due import Found
from streams.stages.intake import Partition
from streams.stages.recent import CLOCK_STEP_MS, WINDOW_MS
from streams.stages.taken import Intake
from streams.topology import copies, origins
from tests.simulator.cluster import Cluster, Headers, since
from tests.simulator.rules import Rules
from tests.simulator.schedule import REGIONS
from tests.streams.records import FakeRecord

_DUE_TOGETHER = 1
"""So few that due asks stay behind."""
_SETTINGS = {
    region: Settings(region=region, peers=(peer,), partitions=1)
    for region, peer in zip(REGIONS, reversed(REGIONS), strict=True)
}


class Produced(NamedTuple):
    """A recommendation, and what is checked of it."""

    user_id: str
    headers: AnswerHeaders
    raw: Headers


class Pending(NamedTuple):
    """A transaction that has not committed yet."""

    answers: Sequence[Produced]
    positions: dict[str, int]
    time_ms: int


class _NoStore:
    """Behind states that all fit into memory."""

    def state(self, _user_id: str) -> None:
        return None

    def states(self) -> tuple[()]:
        return ()


class Worker:
    """Started on a cluster, it knows all that was committed there, and no more."""

    def __init__(self, cluster: Cluster, rules: Rules) -> None:
        self._cluster = cluster
        self._rules = rules
        settings = _SETTINGS[cluster.region]
        self._topics = copies(USER_EVENTS, settings.peers)
        origin_of = origins(USER_EVENTS, settings.region, settings.peers)
        store: Any = _NoStore()
        self.partition = Partition(0, store, settings, origin_of, 0.0)
        self._topic_of = {origin: topic for topic, origin in origin_of.items()}
        self._read = dict.fromkeys(self._topics, 0) | cluster.positions
        for topic in self._topics:
            self.partition.replay(topic, cluster.log(topic)[: self._read[topic]])
        self.ownerships = Ownerships()
        self.news()
        self.pending: Pending | None = None

    def news(self) -> None:
        for copy in ownership_copies(self._cluster):
            self.ownerships.apply(copy)

    def process(self, at_most: int, now_ms: int, *, scored: bool = True) -> None:
        """A batch, up to its transaction."""
        if self.pending is not None:
            return
        self._look_for_due()
        partition, intake = self.partition, Intake()
        for topic in self._topics:
            start = self._read[topic]
            records = self._cluster.log(topic)[start : start + at_most]
            if records:
                partition.take((topic, records), intake)
                self._read[topic] += len(records)
        answered_before_ms = earliest(intake.first_appended_ms, partition.due.oldest_ms())
        asks = [*partition.due.take(_DUE_TOGETHER, intake.asks), *intake.asks.values()]
        writers = {
            origin: HeaderWriter(origin, epoch, answered_before_ms[origin])
            for origin, epoch in partition.epochs.items()
            if origin in answered_before_ms
        }
        answers = [_answer(ask, writers[ask.origin]) for ask in asks] if scored else []
        partition.due.put_back([] if scored else asks)
        self.pending = Pending(answers, dict(self._read), now_ms)

    def commit(self) -> Sequence[Produced]:
        """All of the transaction, at once."""
        if self.pending is None:
            return []
        done, self.pending = self.pending, None
        for answer in done.answers:
            self._cluster.append(
                RECOMMENDATIONS.name, answer.user_id, b"", answer.raw, done.time_ms
            )
        self._cluster.positions |= done.positions
        return done.answers

    @property
    def is_done(self) -> bool:
        """Nothing to read, to answer, or to look for."""
        return (
            self.pending is None
            and not len(self.partition.due)
            and self.partition.epochs == self._epochs()
            and all(len(self._cluster.log(topic)) == self._read[topic] for topic in self._topics)
        )

    def _epochs(self) -> dict[str, int]:
        found = (
            (origin, Gate(self._cluster.region, origin, self.ownerships.current(origin)).epoch)
            for origin in REGIONS
        )
        return {origin: epoch for origin, epoch in found if epoch is not None}

    def _look_for_due(self) -> None:
        partition, epochs = self.partition, self._epochs()
        for origin in sorted(self._rules.changed(partition.epochs, epochs)):
            if origin not in epochs:
                partition.forget(origin)
                continue
            found = self._due(origin)
            partition.learn(origin, *found)
        partition.epochs = epochs

    def _due(self, origin: str) -> Found:
        rules, current = self._rules, self.ownerships.current
        logs = self._cluster.both(RECOMMENDATIONS)
        tails = [
            [[AnswerHeaders.decode(record.headers() or [])] for record in reversed(log)]
            for log in logs
        ]
        start_ms = rules.asks_start(tails, 0, current(origin))
        answered: dict[Place, Order] = {}
        for log in logs:
            for record in since(log, None if start_ms is None else start_ms - CLOCK_STEP_MS):
                headers = AnswerHeaders.decode(record.headers() or [])
                rules.note(answered, 0, record.key(), headers, current(headers.origin))
        topic = self._topic_of[origin]
        read: list[FakeRecord] = self._cluster.log(topic)[: self._read[topic]]
        records = since(read, None if start_ms is None else start_ms - WINDOW_MS)
        asks = self.partition.asks(topic, records)
        return rules.found(asks, answered, start_ms or 0, self.partition.plain)


def ownership_copies(cluster: Cluster) -> list[Copy]:
    """All that the cluster has of `region-ownership`, own and mirrored."""
    sources = zip((cluster.region, cluster.peer), cluster.both(REGION_OWNERSHIP), strict=True)
    return [
        Copy(record.topic(), origin, 0, record.offset(), record.timestamp()[1], record.key(),
             record.value(), record.headers() or [])
        for origin, log in sources
        for record in log
    ]  # fmt: skip


def _answer(ask: Ask, writer: HeaderWriter) -> Produced:
    event = ask.event
    cause = CauseKey(ask.appended_at_ms, event.event_id, event.surface)
    raw = writer.headers(cause)
    return Produced(event.user_id, AnswerHeaders.decode(raw), raw)
