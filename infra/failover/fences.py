"""The fences of an epoch that is to end, read from the recommendations that its owner gave.

Only the owner of an epoch publishes at it, so they lie in one topic of this cluster: the own one or
that owner's mirrored copy. It is read from its end, backwards, as far as a newer cause can still
lie. Called by the commands of this package and by tests.
"""

from collections.abc import Iterator

from confluent_kafka import Message

from infra import broker
from infra.tails import look_back
from schemas.control import Ownership
from schemas.recommendations import AnswerHeaders
from schemas.topics import RECOMMENDATIONS
from streams.region.promotion import Fences
from streams.settings import Settings
from streams.stages.recent import CLOCK_STEP_MS
from streams.topology import origins


def read(settings: Settings, ended: Ownership) -> dict[int, int]:
    """Partition -> append time of the newest cause. Raises BrokerError, KafkaException and
    LaneError where the topic cannot be read to its end.
    """
    fences = Fences(ended)

    def is_enough(partition: int, step: list[Message]) -> bool:
        for headers in _headers(step):
            fences.take(partition, headers)
        return _is_enough(step, ended, fences.newest_ms.get(partition))

    look_back(settings, topic_of(settings, ended.owner), is_enough)
    return fences.newest_ms


def topic_of(settings: Settings, owner: str) -> str:
    """Where the recommendations of a region lie in this cluster. Raises BrokerError."""
    for topic, region in origins(RECOMMENDATIONS, settings.region, settings.peers).items():
        if region == owner:
            return topic
    raise broker.BrokerError(
        f"nothing of {owner} is mirrored to {settings.region}; TIDEMILL_PEERS says what is"
    )


def _is_enough(step: list[Message], ended: Ownership, newest_ms: int | None) -> bool:
    """Whether nothing before this step can have a newer cause of the epoch that ends.

    A region's epochs of an origin follow each other in its topic. And what was written before a
    cause was appended cannot answer it; clocks may be apart, transactions may wait to be committed.
    """
    if any(one.origin == ended.origin and one.epoch < ended.epoch for one in _headers(step)):
        return True
    if newest_ms is None or not step:
        return False
    written_ms: int = max(message.timestamp()[1] for message in step)
    return written_ms < newest_ms - CLOCK_STEP_MS


def _headers(step: list[Message]) -> Iterator[AnswerHeaders]:
    """Of those that are recommendations of ours."""
    for message in step:
        try:
            yield AnswerHeaders.decode(message.headers() or [])
        except ValueError:
            continue
