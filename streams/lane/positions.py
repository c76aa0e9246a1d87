"""Where a partition of the input is folded and answered up to, read back from the changelog.

The position record commits in the transaction of its batch, so the newest one is exact. Group
offsets are not used: they expire.
"""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec
from confluent_kafka import (
    ConsumerGroupTopicPartitions,
    Message,
    TopicCollection,
    TopicPartition,
)

from schemas.state import POSITION_KEY, Position
from schemas.topics import STATE_CHANGELOG
from streams.lane import clients
from streams.lane.errors import TopicError
from streams.settings import Settings

_TIMEOUT_S = 30.0


def topic_ids(settings: Settings, topics: Sequence[str]) -> dict[str, str]:
    """Kafka's UUID of each topic: another one, should the topic be deleted and made again."""
    admin = clients.administrator(settings)
    described = admin.describe_topics(TopicCollection(list(topics)), request_timeout=_TIMEOUT_S)
    return {name: str(future.result().topic_id) for name, future in described.items()}


class Committed(NamedTuple):
    """By a group; `sink` has the effects of all before `offset`."""

    offset: int
    sink: str


def committed(
    settings: Settings, group: str, partition: int, topics: Sequence[str]
) -> dict[str, Committed]:
    """What a group has committed of a partition of each topic; without those of which nothing yet.

    Asked as an administrator: a member's own `committed` can wait for ever in a rebalance.
    """
    admin = clients.administrator(settings)
    asked = [TopicPartition(topic, partition) for topic in topics]
    answer = admin.list_consumer_group_offsets(
        [ConsumerGroupTopicPartitions(group, asked)],
        require_stable=True,
        request_timeout=_TIMEOUT_S,
    )[group].result()
    return {
        part.topic: Committed(part.offset, part.metadata or "")
        for part in answer.topic_partitions
        if part.offset >= 0
    }


def last(settings: Settings, partition: int) -> Position:
    """The newest committed position of a partition; an empty one if there is none.

    Call after init_transactions: only then nothing hangs before the end of the log.
    """
    # log_level 0: tools ask, which say themselves that a broker is away.
    consumer = clients.catch_up_reader(settings, log_level=0)
    try:
        for messages in clients.backwards(
            consumer, TopicPartition(STATE_CHANGELOG.name, partition)
        ):
            if (found := newest(messages, partition)) is not None:
                return found
        return Position(offsets={})
    finally:
        consumer.close()


def newest(messages: Sequence[Message], partition: int) -> Position | None:
    """The last of a partition's records that tells a position. Raises TopicError."""
    found = [message for message in messages if message.key() == POSITION_KEY]
    return _decode(found[-1], partition) if found else None


def _decode(message: Message, partition: int) -> Position:
    try:
        return msgspec.json.decode(message.value() or b"", type=Position)
    except msgspec.MsgspecError as error:
        raise TopicError(
            f"the position of partition {partition} at offset {message.offset()} of"
            f" {STATE_CHANGELOG.name} cannot be read: {error}"
        ) from error
