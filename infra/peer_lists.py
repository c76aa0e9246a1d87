"""What the regions list on state-digests, as it can be read here: whether each peer holds the same
users, and whether Triton answers the sample that this region scores as a standby.

Read on where the last look ended, so whoever looks again and again reads little. The first look
goes two rotations back, for a user must differ twice: with a million users a few hundred
megabytes, with a thousand next to nothing. Nothing is written. Called by `infra.standby`.
"""

import heapq
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from typing import NamedTuple

import msgspec
from confluent_kafka import Consumer, Message, TopicPartition

from infra import broker
from schemas.codec import SCHEMA_HEADER, MessageDecoder, RefusedError
from schemas.control import StateDigest
from schemas.topics import STATE_DIGESTS
from streams.lane import clients
from streams.region.parity import Parity
from streams.settings import Settings
from streams.topology import copies

_ROTATIONS = 2
_SLACK_S = 60.0
"""For lists that come late."""
_TOLD = 3
"""Users that are named as examples."""


class Users(msgspec.Struct, frozen=True, kw_only=True):
    """Of a region and a peer, as each slice was last compared. Whom one lists and the other lacks
    differs; `differing_twice` are those who differed when they were last compared and the time
    before, and `such_as` names a few of them.
    """

    peer: str
    compared: int
    equal: int
    differing: int
    differing_twice: int
    such_as: list[str]


class Sampled(msgspec.Struct, frozen=True, kw_only=True):
    """Slates that this region made of its sample a moment ago: by the model, and those for which
    Triton gave no answer in time. Cold users ask no model and are not among them.
    """

    scored: int
    failed: int

    @property
    def is_warm(self) -> bool | None:
        """None: no ask came that could have been sampled."""
        return self.scored > 0 if self.scored or self.failed else None


class _Made(NamedTuple):
    published_ms: int
    sampled: Sampled


class PeerLists:
    """Of one region. Called by one thread at a time."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._next: dict[str, int] = {}
        self._parity = {peer: Parity(settings.region, peer) for peer in settings.peers}
        self._mine: dict[int, _Made] = {}
        """Partition -> this region's newest list."""
        self._decoder: MessageDecoder[StateDigest] = MessageDecoder("state-digest")

    def read(self) -> None:
        """Take in what is there now. Raises BrokerError, KafkaException, LaneError."""
        for message in self._new():
            self._next[message.topic()] = message.offset() + 1
            try:
                schema = dict(message.headers() or ()).get(SCHEMA_HEADER)
                made = self._decoder.decode(message.value(), schema)
            except RefusedError:
                continue
            for parity in self._parity.values():
                parity.add([made])
            if made.region == self._settings.region:
                self._mine[made.partition] = _Made(message.timestamp()[1], _sampled(made))

    def users(self, peer: str) -> Users:
        """As far as lists were read."""
        parity = self._parity[peer]
        return Users(
            peer=peer,
            compared=parity.equal + len(parity.differing),
            equal=parity.equal,
            differing=len(parity.differing),
            differing_twice=len(parity.diverged),
            such_as=heapq.nsmallest(_TOLD, parity.diverged),
        )

    def sampled(self) -> Sampled:
        """By the newest list of each partition, if it is not older than two of its turns: so a
        Triton that dies is told after that time at most.
        """
        since_ms = (time.time() - 2 * self._settings.digest_s) * 1000
        newest = [made.sampled for made in self._mine.values() if made.published_ms >= since_ms]
        return Sampled(
            scored=sum(one.scored for one in newest), failed=sum(one.failed for one in newest)
        )

    def _new(self) -> Iterator[Message]:
        """Of all topics by the time of publishing, so that lists of one time are compared."""
        topics = copies(STATE_DIGESTS, self._settings.peers)
        broker.require(self._settings, topics)
        with ExitStack() as opened:
            logs = []
            for topic in topics:
                consumer = opened.enter_context(closing(broker.reader(self._settings)))
                logs.append(clients.read_to_end(consumer, [self._start(consumer, topic)]))
            yield from heapq.merge(*logs, key=lambda message: message.timestamp()[1])

    def _start(self, consumer: Consumer, topic: str) -> TopicPartition:
        log = TopicPartition(topic, 0)
        first, end = clients.watermarks(consumer, log)
        if topic in self._next:
            # Beyond the end it is another topic of that name.
            log.offset = max(first, self._next[topic]) if self._next[topic] <= end else first
            return log
        rotation_s = self._settings.digest_slices * self._settings.digest_s
        since_s = time.time() - _ROTATIONS * rotation_s - _SLACK_S
        log.offset = max(0, int(since_s * 1000))
        (found,) = clients.again(lambda: consumer.offsets_for_times([log], timeout=broker.ANSWER_S))
        log.offset = found.offset if found.offset >= 0 else end
        return log


def _sampled(made: StateDigest) -> Sampled:
    fallbacks = [slate.fallback for slate in made.slates]
    scored = fallbacks.count(None)
    return Sampled(scored=scored, failed=len(fallbacks) - scored - fallbacks.count("cold_user"))
