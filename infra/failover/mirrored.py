"""How far a mirror has come in the offsets of what it copies, and where a log ends for its readers.

A copy's own offsets tell nothing: transactions and repeats shift them. MirrorMaker commits the
source's offset together with the records, exactly once, in its offsets topic, which lies in the
cluster that is written to and outlives the source. Called by the commands of this package.
"""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

from confluent_kafka import Message, TopicPartition

from infra import broker
from schemas.topics import Topic
from streams.lane import clients
from streams.settings import Settings

_CONNECTOR = "MirrorSourceConnector"
_AT_ONCE = 8


def mirrored_to(settings: Settings, source: str, topic: Topic) -> dict[int, int]:
    """Partition of the source's topic -> the offset there behind the last record that is here; 0
    where nothing is. Raises BrokerError, KafkaException, LaneError.
    """
    log = f"mm2-offsets.{source}.internal"
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


def last_behind(settings: Settings, topic: str) -> dict[int, int]:
    """Partition -> the offset behind its last committed record, marks of transactions left out; 0
    where there is none. Raises as `mirrored_to`.
    """
    broker.require(settings, [topic])
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        found = pool.map(lambda n: _last_behind(settings, topic, n), range(settings.partitions))
        return dict(enumerate(found))


def _last_behind(settings: Settings, topic: str, partition: int) -> int:
    with closing(broker.reader(settings)) as consumer:
        for step in clients.backwards(consumer, TopicPartition(topic, partition)):
            if step:
                return step[-1].offset() + 1  # type: ignore[no-any-return]
    return 0


def _positions(messages: Iterator[Message], source: str, topic: Topic) -> Iterator[tuple[int, int]]:
    """(partition, offset of the last record mirrored) of each record that is about the topic."""
    for message in messages:
        connector, place = json.loads(message.key() or b"[null, null]")
        if connector != _CONNECTOR or message.value() is None:
            continue
        if (place["cluster"], place["topic"]) == (source, topic.name):
            yield place["partition"], json.loads(message.value())["offset"]
