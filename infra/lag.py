"""How far each stage is behind: records that are in the topics and not yet processed.

`recommend` keeps its position in its changelog, the others in their consumer groups. A partition's
end also counts the marks of transactions, which are no records; so what is left at the very end
is counted by reading it.
"""

from collections import Counter
from contextlib import closing
from typing import NamedTuple

from confluent_kafka import Consumer, Message, TopicCollection, TopicPartition

from infra import broker
from infra.tails import look_back
from schemas.topics import STATE_CHANGELOG, USER_EVENTS
from streams.lane import clients, positions
from streams.settings import Settings
from streams.topology import ARCHIVE, GRAPH, RECOMMEND, Node, StageName, copies

_NEAR = 100
"""Records or marks so near the end that reading them is cheap."""


def lag(settings: Settings) -> dict[StageName, int]:
    """Records each stage has still to process. Raises BrokerError."""
    topics = [name for node in GRAPH.values() for name in _inputs(node, settings)]
    broker.require(settings, [*topics, STATE_CHANGELOG.name])
    return {node.name: behind(node, settings) for node in GRAPH.values()}


def behind(node: Node, settings: Settings) -> int:
    """Records that one stage has still to process. The archive has what one of its ClickHouses
    has.
    """
    if node is not ARCHIVE:
        return behind_of(node, settings)
    return min(behind_of(node, settings, n + 1) for n in range(len(settings.clickhouse)))


def behind_of(node: Node, settings: Settings, replica: int = 1, disk: str | None = None) -> int:
    """The same of the workers that fill one ClickHouse. `disk`: the id of the disk that it has, to
    which the rest of its group's offsets mean nothing; None: whatever it is.
    """
    return sum(progress.behind for progress in each(node, settings, replica, disk))


class Progress(NamedTuple):
    """Of a stage in one partition of a topic: `applied` is the next offset to process, `end` lies
    behind the last committed record, and `behind` counts the records between them.
    """

    topic: str
    partition: int
    applied: int
    end: int
    behind: int


def each(
    node: Node, settings: Settings, replica: int = 1, disk: str | None = None
) -> list[Progress]:
    """Of one stage in every partition that it reads."""
    inputs = _inputs(node, settings)
    with closing(broker.reader(settings)) as consumer:
        starts = broker.partitions(consumer, inputs)
        ends = broker.ends(consumer, inputs)
        by_records = node is RECOMMEND
        group = node.group_of(replica)
        done = applied(settings) if by_records else _committed(settings, group, starts, disk)
        at = [max(p.offset, done.get((p.topic, p.partition), 0)) for p in starts]
        near = [
            TopicPartition(end.topic, end.partition, place)
            for place, end in zip(at, ends, strict=True)
            if 0 < end.offset - place <= _NEAR
        ]
        read = clients.read_to_end(consumer, near) if near else ()
        counted = Counter((message.topic(), message.partition()) for message in read)
    return [
        Progress(
            end.topic,
            end.partition,
            place,
            end.offset,
            end.offset - place if end.offset - place > _NEAR else counted[end.topic, end.partition],
        )
        for place, end in zip(at, ends, strict=True)
    ]


def _inputs(node: Node, settings: Settings) -> list[str]:
    return [name for topic in node.reads for name in copies(topic, settings.peers)]


def applied(settings: Settings) -> dict[tuple[str, int], int]:
    """Of `recommend`, (topic, partition) -> the next offset to process, from the position records.
    Raises BrokerError, KafkaException, LaneError.
    """
    names = copies(USER_EVENTS, settings.peers)
    admin = broker.admin(settings)
    described = admin.describe_topics(TopicCollection(list(names)), request_timeout=broker.ANSWER_S)
    topic_of = {str(found.result().topic_id): name for name, found in described.items()}

    found: dict[tuple[str, int], int] = {}

    def is_enough(partition: int, step: list[Message]) -> bool:
        position = positions.newest(step, partition)
        for topic, offset in position.offsets.items() if position is not None else ():
            if topic in topic_of:
                found[topic_of[topic], partition] = offset
        return position is not None

    look_back(settings, STATE_CHANGELOG.name, is_enough)
    return found


def _committed(
    settings: Settings, name: str, parts: list[TopicPartition], disk: str | None
) -> dict[tuple[str, int], int]:
    """The same from a consumer group; a group that never committed has done nothing."""
    with closing(
        Consumer({"bootstrap.servers": settings.kafka, "group.id": name, "log_level": 0})
    ) as group:
        asked = [TopicPartition(part.topic, part.partition) for part in parts]
        found = clients.committed(group, asked, broker.ANSWER_S)
    return {
        (part.topic, part.partition): part.offset
        for part in found
        if part.offset >= 0 and (disk is None or part.metadata in (None, "", disk))
    }
