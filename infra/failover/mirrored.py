"""How far a mirror has come in the offsets of what it copies, and where a log ends for its readers.

A copy's own offsets tell nothing: transactions and repeats shift them. MirrorMaker commits the
source's offset together with the records, exactly once, in its offsets topic, which lies in the
cluster that is written to and outlives the source. Called by the commands of this package and by
`infra.mirror_watch`.
"""

import json
from collections.abc import Iterator
from contextlib import closing

from confluent_kafka import Message, TopicPartition

from infra import broker
from infra.tails import look_back
from schemas.topics import Topic
from streams.lane import clients
from streams.settings import Settings

_CONNECTOR = "MirrorSourceConnector"


def mirrored_to(settings: Settings, source: str, topic: Topic) -> dict[int, int]:
    """Partition of the source's topic -> the offset there behind the last record that is here; 0
    where nothing is. Raises BrokerError, KafkaException, LaneError.
    """
    log = _log_of(source)
    broker.require(settings, [log])
    found: dict[int, int] = {}
    with closing(broker.reader(settings)) as consumer:
        for part in broker.partitions(consumer, [log]):
            for step in clients.backwards(consumer, part):
                for partition, offset in _positions(reversed(step), source, topic):
                    found.setdefault(partition, offset + 1)
                if len(found) == settings.partitions:
                    break
    return {partition: found.get(partition, 0) for partition in range(settings.partitions)}


class Positions:
    """The same of one mirror, looked at again and again; each look reads on. `log`: where they are
    kept, a topic of one partition or more.
    """

    def __init__(self, settings: Settings, source: str, topic: Topic) -> None:
        self.log = _log_of(source)
        self._settings, self._source, self._topic = settings, source, topic
        self._next: dict[int, int] = {}
        self._at: dict[int, int] = {}

    def read(self) -> dict[int, int]:
        """Raises BrokerError, KafkaException, LaneError."""
        with closing(broker.reader(self._settings)) as consumer:
            if not self._next:
                broker.require(self._settings, [self.log])
                ends = {p.partition: p.offset for p in broker.ends(consumer, [self.log])}
                self._at = mirrored_to(self._settings, self._source, self._topic)
                self._next = ends
            parts = [TopicPartition(self.log, n, at) for n, at in self._next.items()]
            for message in clients.read_to_end(consumer, parts):
                self._next[message.partition()] = message.offset() + 1
                for partition, offset in _positions(iter((message,)), self._source, self._topic):
                    self._at[partition] = offset + 1
        return dict(self._at)


def forget(settings: Settings, source: str, topic: Topic) -> None:
    """Let the mirror begin a topic at its start. Call while it does not run. Raises BrokerError,
    KafkaException, LaneError.
    """
    log = _log_of(source)
    keys = {
        message.key()
        for message in broker.read_whole(settings, [log])
        if any(_positions(iter((message,)), source, topic))
    }
    with broker.Sender(settings) as sender:
        for key in keys:
            sender.send(log, key, None, [])


def last_behind(settings: Settings, topic: str) -> dict[int, int]:
    """Partition -> the offset behind its last committed record, marks of transactions left out; 0
    where there is none. Raises as `mirrored_to`.
    """
    found = dict.fromkeys(range(settings.partitions), 0)

    def is_enough(partition: int, step: list[Message]) -> bool:
        if step:
            found[partition] = step[-1].offset() + 1
        return len(step) > 0

    look_back(settings, topic, is_enough)
    return found


def _positions(messages: Iterator[Message], source: str, topic: Topic) -> Iterator[tuple[int, int]]:
    """(partition, offset of the last record mirrored) of each record that is about the topic; -1
    where it says that none is.
    """
    for message in messages:
        connector, place = json.loads(message.key() or b"[null, null]")
        if connector != _CONNECTOR:
            continue
        if (place["cluster"], place["topic"]) == (source, topic.name):
            yield place["partition"], json.loads(message.value() or b'{"offset": -1}')["offset"]


def _log_of(source: str) -> str:
    return f"mm2-offsets.{source}.internal"
