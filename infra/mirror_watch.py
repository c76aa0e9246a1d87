"""Whether a mirror goes on where it should: looked at again and again beside a running one.

Each look asks the source for its first offsets and both clusters for the ids of the topics. What
is lacking is remembered (`infra.mirror_gaps`) and told in the log. A topic that was deleted and
made again, at the source or here, is to be mirrored from its start: its positions are put back, for
which MirrorMaker must not run. What had crossed of it by then crosses again; events are folded by
their id. Called by `infra.keep_mirror`, in one thread.
"""

import logging
import time
from collections.abc import Callable, Mapping, Sequence

from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import NewTopic, OffsetSpec

from infra import broker, mirror_gaps
from infra.broker import BrokerError
from infra.failover.mirrored import Positions, forget
from infra.mirror_gaps import Ids, Known, judged
from schemas.topics import TOPICS, USER_EVENTS, mirrored_name
from streams.lane import positions
from streams.lane.errors import LaneError
from streams.settings import Settings

log = logging.getLogger("tidemill")

_MIRRORED = {topic.name: topic for topic in TOPICS if topic.mirrored}
_ERRORS = (BrokerError, KafkaException, LaneError)


class Watch:
    """Of the mirror into the cluster `kafka` from each of `peers` (region -> its Kafka)."""

    def __init__(self, kafka: str, peers: Mapping[str, str]) -> None:
        here = Settings(kafka=kafka)
        self._links = [_Link(here, peer, Settings(kafka=there)) for peer, there in peers.items()]

    def look(self) -> list[str]:
        """Topics that were made again; then MirrorMaker is to end, and `mend` to be called."""
        return [
            f"{topic} of {link.peer} was deleted and made again"
            for link in self._links
            for topic in _tried(link.look)
        ]

    def mend(self) -> None:
        """Call while no MirrorMaker runs: what was made again will be mirrored from its start."""
        for link in self._links:
            _tried(link.mend)


class _Link:
    """From one peer. `_at`: where the mirror was when the source was last as it is known."""

    def __init__(self, here: Settings, peer: str, there: Settings) -> None:
        self._here, self.peer, self._there = here, peer, there
        self._known: Known | None = None
        self._positions: Positions | None = None
        self._at: dict[int, int] | None = None

    def look(self) -> Sequence[str]:
        """Raises BrokerError, KafkaException, LaneError."""
        known, again, now = self._judged()
        if not again:
            self._at = now
            self._remember(known)
        return again

    def mend(self) -> Sequence[str]:
        known, again, self._at = self._judged()
        for topic in again:
            forget(self._here, self.peer, _MIRRORED[topic])
            log.warning("%s of %s is mirrored from its start", topic, self.peer)
        if USER_EVENTS.name in again:
            self._positions, self._at = None, dict.fromkeys(self._at, 0)
        self._remember(known)  # last: killed before, it is found again
        return again

    def _judged(self) -> tuple[Known, list[str], dict[int, int]]:
        """What is known then, the topics that were made again, and where the mirror is now."""
        here = _topics(self._here, mirrored_name(self.peer, USER_EVENTS))
        there = _topics(self._there, USER_EVENTS.name)
        if self._known is None:
            self._prepare(here)
            self._known = mirror_gaps.read(self._here, self.peer)
        now = self._read(here)
        names = [
            topic.name
            for topic in _MIRRORED.values()
            if topic.name in there and mirrored_name(self.peer, topic) in here
        ]
        sources = positions.topic_ids(self._there, names)
        copied = {name: mirrored_name(self.peer, _MIRRORED[name]) for name in names}
        copies = positions.topic_ids(self._here, list(copied.values()))
        ids = {name: Ids(sources[name], copies[copied[name]]) for name in names}
        starts = _starts(self._there, there[USER_EVENTS.name])
        before = now if self._at is None else self._at
        now_ms = time.time_ns() // 1_000_000
        return *judged(self._known, ids, starts, before, now_ms), now

    def _read(self, here: Mapping[str, int]) -> dict[int, int]:
        count = here[mirrored_name(self.peer, USER_EVENTS)]
        if self._positions is None:
            settings = self._here.model_copy(update={"partitions": count})
            self._positions = Positions(settings, self.peer, USER_EVENTS)
        if self._positions.log not in here:
            return dict.fromkeys(range(count), 0)  # the very first MirrorMaker makes it
        return self._positions.read()

    def _remember(self, known: Known) -> None:
        if self._known is None or known == self._known:
            return
        if known.gaps != self._known.gaps:
            log.warning("%s", mirror_gaps.sentence(self.peer, known.gaps))
        mirror_gaps.write(self._here, self.peer, known)
        self._known = known

    def _prepare(self, here: Mapping[str, int]) -> None:
        topic = mirror_gaps.topic_of(self.peer)
        if topic not in here:
            new = NewTopic(topic, 1, config={"cleanup.policy": "compact"})
            admin = broker.admin(self._here)
            admin.create_topics([new], operation_timeout=broker.ANSWER_S)[topic].result()


def _tried(look: Callable[[], Sequence[str]]) -> Sequence[str]:
    """Nothing where a cluster is away: what is to be seen will be there at the next look."""
    try:
        return look()
    except _ERRORS as error:
        log.debug("the mirror cannot be looked at: %s", error)
        return ()


def _topics(settings: Settings, needed: str) -> dict[str, int]:
    """Name -> number of partitions. Raises BrokerError where `needed` is not among them."""
    broker.require(settings, [needed])
    found = broker.admin(settings).list_topics(timeout=broker.ANSWER_S).topics
    return {name: len(topic.partitions) for name, topic in found.items()}


def _starts(settings: Settings, partitions: int) -> dict[int, int]:
    asked = {TopicPartition(USER_EVENTS.name, n): OffsetSpec.earliest() for n in range(partitions)}
    admin = broker.admin(settings)  # kept: without it no answer ever comes
    found = admin.list_offsets(asked, request_timeout=broker.ANSWER_S)
    return {part.partition: answer.result().offset for part, answer in found.items()}
