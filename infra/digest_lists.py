"""The lists of users that the regions publish on `state-digests`, as they can be read here.

Read on where the last look ended, so whoever looks again and again reads little. Nothing is
written. Called by `infra.peer_lists` and `infra.failover.rotation`.
"""

import heapq
from collections.abc import Iterator
from contextlib import ExitStack, closing

from confluent_kafka import Consumer, TopicPartition

from infra import broker
from schemas.codec import SCHEMA_HEADER, MessageDecoder, RefusedError
from schemas.control import StateDigest
from schemas.topics import STATE_DIGESTS
from streams.lane import clients
from streams.settings import Settings
from streams.topology import copies


class DigestLists:
    """Of this region and its peers, those published since `from_ms`. One thread at a time."""

    def __init__(self, settings: Settings, from_ms: int) -> None:
        self._settings = settings
        self._from_ms = max(0, from_ms)
        self._next: dict[str, int] = {}
        self._decoder: MessageDecoder[StateDigest] = MessageDecoder("state-digest")

    def new(self) -> Iterator[tuple[StateDigest, int]]:
        """Each with the time in ms at which it was published, of all topics by that time, so that
        lists of one time are compared. What cannot be used is left out. Raises BrokerError,
        KafkaException, LaneError.
        """
        topics = copies(STATE_DIGESTS, self._settings.peers)
        broker.require(self._settings, topics)
        with ExitStack() as opened:
            logs = []
            for topic in topics:
                consumer = opened.enter_context(closing(broker.reader(self._settings)))
                logs.append(clients.read_to_end(consumer, [self._start(consumer, topic)]))
            for message in heapq.merge(*logs, key=lambda message: message.timestamp()[1]):
                self._next[message.topic()] = message.offset() + 1
                try:
                    schema = dict(message.headers() or ()).get(SCHEMA_HEADER)
                    made = self._decoder.decode(message.value(), schema)
                except RefusedError:
                    continue
                yield made, message.timestamp()[1]

    def _start(self, consumer: Consumer, topic: str) -> TopicPartition:
        log = TopicPartition(topic, 0)
        first, end = clients.watermarks(consumer, log)
        if topic in self._next:
            # Beyond the end it is another topic of that name.
            log.offset = max(first, self._next[topic]) if self._next[topic] <= end else first
            return log
        log.offset = self._from_ms
        (found,) = clients.again(lambda: consumer.offsets_for_times([log], timeout=broker.ANSWER_S))
        log.offset = found.offset if found.offset >= 0 else end
        return log
