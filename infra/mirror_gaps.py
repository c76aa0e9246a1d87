"""What a mirror could not bring: events that were gone at their source before it came for them.

MirrorMaker says nothing of it. Where retention removed what lies behind its position, it goes on
with what is left; of a topic that was deleted and made again it goes on at a position that means
nothing there. What is found is kept beside the mirror's positions, in the cluster that it writes
to, and stands until the users of both regions were all compared since and none differs: who lacks
an event differs, and a join mends it. Written by `infra.mirror_watch`, read by `infra.standby`.
"""

from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import NamedTuple

import msgspec
from confluent_kafka import TopicPartition

from infra import broker
from infra.failover import rotation
from schemas.topics import USER_EVENTS
from streams.lane import clients
from streams.settings import Settings

_KEPT = 100
"""Gaps; a mirror that never gets through would fill the record."""
_NAMED = 3


class Ids(NamedTuple):
    """Kafka's own of a topic, which change when it is deleted and made again."""

    source: str
    copy: str


class Gap(msgspec.Struct, frozen=True, kw_only=True):
    """Events of one partition, from the offset `begin` at the source to before `end`. Some of them
    may have crossed just before. None: nobody knows how many, their topic is gone.
    """

    partition: int
    begin: int
    end: int | None
    found_ms: int


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """Of a mirror and one of its peers. `ids`: of the topics for which its positions hold."""

    ids: dict[str, Ids] = {}
    gaps: list[Gap] = []


def judged(
    known: Known,
    ids: Mapping[str, Ids],
    starts: Mapping[int, int],
    positions: Mapping[int, int],
    now_ms: int,
) -> tuple[Known, list[str]]:
    """What is known from now on, and the topics that were made again since; pure.

    `ids` are of all that is there, `starts` the first offsets of the source's user events, and
    `positions` how far the mirror had come before both were asked for.
    """
    again = [name for name, now in ids.items() if known.ids.get(name, now) != now]
    events = USER_EVENTS.name
    found: list[Gap] = []
    if events in again:
        # Of a copy that was made again nothing is lost: the source has it.
        if known.ids[events].source != ids[events].source:
            found = [
                Gap(partition=number, begin=position, end=None, found_ms=now_ms)
                for number, position in sorted(positions.items())
            ]
    elif events in ids:
        found = [
            Gap(partition=number, begin=position, end=starts[number], found_ms=now_ms)
            for number, position in sorted(positions.items())
            if starts.get(number, 0) > position
        ]
    return Known(ids={**known.ids, **ids}, gaps=_together(known.gaps, found)), again


def _together(known: Sequence[Gap], found: Sequence[Gap]) -> list[Gap]:
    """A gap over which the mirror has not gone yet is seen anew: longer, or it begins later."""

    def place(gap: Gap) -> tuple[int, int, int | None]:
        return gap.partition, gap.begin, gap.end

    same = {place(gap) for gap in known} & {place(gap) for gap in found}
    new = [gap for gap in found if place(gap) not in same]
    kept = [
        gap
        for gap in known
        if gap.end is None
        or not any(one.partition == gap.partition and one.begin < gap.end for one in new)
    ]
    return [*kept, *new][-_KEPT:]


def sentence(peer: str, gaps: Sequence[Gap]) -> str:
    """For a person."""
    told = [
        f"records {gap.begin} to {gap.end - 1} of partition {gap.partition}"
        if gap.end is not None
        else f"what was behind {gap.begin} in partition {gap.partition} of a topic that was deleted"
        for gap in gaps[-_NAMED:]
    ]
    rest = f" and {len(gaps) - len(told)} gaps more" if len(gaps) > len(told) else ""
    return (
        f"events of {peer} were gone there before the mirror brought them: {', '.join(told)}{rest};"
        " `tidemill region join` mends it, and it is over when all users were compared since"
        " and none differs"
    )


def standing(settings: Settings, peer: str) -> list[Gap]:
    """Those that are not mended yet, as far as this region knows. Raises BrokerError,
    KafkaException, LaneError.
    """
    gaps = read(settings, peer).gaps
    if not gaps:
        return []
    since_ms = max(gap.found_ms for gap in gaps)
    return [] if rotation.read(settings, peer, since_ms).users_differing == 0 else gaps


def topic_of(peer: str) -> str:
    """Where it is kept, as one record. So named, no mirror takes it along."""
    return f"mirror-gaps.{peer}.internal"


def read(settings: Settings, peer: str) -> Known:
    """Raises BrokerError, KafkaException, LaneError."""
    topic = topic_of(peer)
    broker.require(settings, [])
    known = Known()
    with closing(broker.reader(settings)) as consumer:
        if topic not in consumer.list_topics(timeout=broker.ANSWER_S).topics:
            return known
        log = TopicPartition(topic, 0)
        log.offset, _ = clients.watermarks(consumer, log)
        for message in clients.read_to_end(consumer, [log]):
            known = msgspec.json.decode(message.value() or b"{}", type=Known)
    return known


def write(settings: Settings, peer: str, known: Known) -> None:
    """Raises BrokerError."""
    with broker.Sender(settings) as sender:
        sender.send(topic_of(peer), peer.encode(), msgspec.json.encode(known), [])
