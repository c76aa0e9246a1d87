"""Whether a region could take an origin over now: what it has folded of it, against what its mirror
has brought, and whether the mirror still hears the peer. Nothing is changed.

What the mirror has not brought yet cannot be seen from here; that is the tail, which a prober
foretells. Called by `tidemill region status`.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import closing

import msgspec
from confluent_kafka import KafkaException, TopicPartition

from infra import broker, control, lag
from infra.broker import BrokerError
from schemas.control import Ownership
from schemas.topics import USER_EVENTS
from streams.lane import clients
from streams.lane.errors import LaneError
from streams.settings import Settings
from streams.topology import RECOMMEND, origins

_NEAR_RECORDS = 1_000
"""A second's worth under load, which a promotion waits for."""
_SILENT_S = 10.0
"""MirrorMaker writes a heartbeat a second."""
_TAIL = 50
"""Offsets: the last heartbeats with the marks of their transactions."""


class Partition(msgspec.Struct, frozen=True, kw_only=True):
    """`applied` and `end` are offsets here, of the origin's topic or its copy; `behind` counts the
    records between them.
    """

    partition: int
    applied: int
    end: int
    behind: int


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """What a region knows of an origin. `heard_s`: how old the newest heartbeat is that the mirror
    brought from it; None where it never brought one, and of the region's own. `not_ready` says why
    the region could not take over, or go on as the owner; None where it could.
    """

    origin: str
    epoch: int | None
    owner: str | None
    draining: bool
    heard_s: float | None
    partitions: list[Partition]
    not_ready: str | None


class Readiness(msgspec.Struct, frozen=True, kw_only=True):
    """Of one region; `problem` says why nothing can be told, None where it can."""

    region: str
    origins: list[Origin]
    problem: str | None


def readiness(settings: Settings) -> Readiness:
    """Of every origin that comes to this region. A region that does not answer is told as such."""
    try:
        known = control.ownerships(settings).origins
        progress = lag.each(RECOMMEND, settings)
    except (BrokerError, KafkaException, LaneError) as error:
        return Readiness(region=settings.region, origins=[], problem=str(error).splitlines()[0])
    return Readiness(
        region=settings.region,
        origins=[
            _origin(settings, origin, known.get(origin), _partitions(progress, topic))
            for topic, origin in origins(USER_EVENTS, settings.region, settings.peers).items()
        ],
        problem=None,
    )


def reasons(
    record: Ownership | None,
    partitions: Sequence[Partition],
    heard_s: float | None,
    *,
    is_mirrored: bool,
) -> Iterator[str]:
    """Each that speaks against this region as the owner; pure."""
    if record is None:
        yield "no valid record says who owns it"
    if is_mirrored and heard_s is None:
        yield "the mirror has brought no heartbeat"
    elif is_mirrored and heard_s is not None and heard_s > _SILENT_S:
        yield f"the mirror has brought no heartbeat for {heard_s:.0f} s"
    if late := [one for one in partitions if one.behind > _NEAR_RECORDS]:
        worst = max(late, key=lambda one: one.behind)
        yield (
            f"{len(late)} of {len(partitions)} partitions are behind, "
            f"partition {worst.partition} by {worst.behind} records"
        )


def _origin(
    settings: Settings, origin: str, record: Ownership | None, partitions: list[Partition]
) -> Origin:
    is_mirrored = origin != settings.region
    heard_s = _heard_s(settings, origin) if is_mirrored else None
    against = reasons(record, partitions, heard_s, is_mirrored=is_mirrored)
    return Origin(
        origin=origin,
        epoch=None if record is None else record.epoch,
        owner=None if record is None else record.owner,
        draining=record is not None and record.draining,
        heard_s=heard_s,
        partitions=partitions,
        not_ready="; ".join(against) or None,
    )


def _partitions(progress: Sequence[lag.Progress], topic: str) -> list[Partition]:
    return [
        Partition(partition=one.partition, applied=one.applied, end=one.end, behind=one.behind)
        for one in progress
        if one.topic == topic
    ]


def _heard_s(settings: Settings, peer: str) -> float | None:
    """By the clock of the peer's MirrorMaker, which wrote it, and ours."""
    topic = f"{peer}.heartbeats"
    with closing(broker.reader(settings)) as consumer:
        if topic not in consumer.list_topics(timeout=broker.ANSWER_S).topics:
            return None
        log = TopicPartition(topic, 0)
        start, end = clients.watermarks(consumer, log)
        log.offset = max(start, end - _TAIL)
        newest_ms = max((m.timestamp()[1] for m in clients.read_to_end(consumer, [log])), default=0)
    return max(0.0, time.time() - newest_ms / 1000) if newest_ms else None
