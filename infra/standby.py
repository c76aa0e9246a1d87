"""Whether a region could take an origin over now, as numbers and as reasons against it.

What it has folded against what its mirror has brought, whether the mirror still hears the peer
and brought all that there was, whether both hold the same users and serve the same model, and
whether its own workers and Triton are there. Nothing is changed. What the mirror has not brought
yet cannot be seen from here; that is the tail, which a prober foretells. Called by `tidemill region
status` and `infra.watch_standby`.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Literal

import msgspec
from confluent_kafka import KafkaException, TopicPartition

from infra import broker, control, lag, mirror_gaps, workers
from infra.broker import BrokerError
from infra.mirror_gaps import Gap
from infra.peer_lists import PeerLists, Sampled, Users
from schemas.control import Ownership, Served
from schemas.serving import MODEL
from schemas.topics import USER_EVENTS
from streams.lane import clients
from streams.lane.errors import LaneError
from streams.settings import Settings
from streams.topology import RECOMMEND, origins

NEAR_RECORDS = 1_000
"""A second's worth under load, which a promotion waits for."""
SILENT_S = 10.0
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


Against = Literal["ownership", "workers", "mirror", "lost", "behind", "users", "model", "triton"]
"""What a reason is about; alarms and dashboards name it so."""


class Reason(msgspec.Struct, frozen=True):
    """One that speaks against this region as the owner of an origin."""

    about: Against
    says: str


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """What this region and the origin's owner serve; None: nothing, so the fallback answers."""

    here: Served | None
    owner: Served | None


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """What a region knows of an origin. `heard_s`: how old the newest heartbeat is that the mirror
    brought from its region; None where it never brought one. `lost` is what was gone there before
    the mirror came for it, where that is not mended yet. `users` are compared with the owner's,
    by an owner with those of the origin's region. Of the region's own origin both tell of the
    owner, and are None where that is itself. `is_warm`: whether Triton answers what this
    region samples as a standby; None where it owns the origin, or nothing came to be sampled.
    `reasons` is empty where the region could take over, or go on as the owner; `not_ready` is
    all of them in one sentence, or None.
    """

    origin: str
    epoch: int | None
    owner: str | None
    draining: bool
    heard_s: float | None
    lost: list[Gap] = []
    partitions: list[Partition]
    users: Users | None
    model: Model
    is_warm: bool | None
    reasons: list[Reason]
    not_ready: str | None


class Readiness(msgspec.Struct, frozen=True, kw_only=True):
    """Of one region; `problem` says why nothing can be told, None where it can. `held` of
    `partitions` are in the hands of a worker that lives.
    """

    region: str
    held: int
    partitions: int
    sampled: Sampled
    origins: list[Origin]
    problem: str | None


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What speaks for or against one region and one origin; see `Origin` and `Readiness`."""

    region: str
    origin: str
    record: Ownership | None
    held: int
    of_partitions: int
    partitions: Sequence[Partition]
    heard_from: str | None
    heard_s: float | None
    users: Users | None
    model: Model
    sampled: Sampled
    lost: Sequence[Gap] = ()

    @property
    def stands_by(self) -> bool:
        return self.record is not None and self.record.owner != self.region


def readiness(settings: Settings, lists: PeerLists | None = None) -> Readiness:
    """Of every origin that comes to this region. A region that does not answer is told as such.

    `lists` are those of an earlier call, so that only what is new is read.
    """
    lists = lists or PeerLists(settings)
    try:
        known = control.ownerships(settings).origins
        progress = lag.each(RECOMMEND, settings)
        released = control.releases(settings)
        held = workers.held(settings)
        lists.read()
        found = []
        for topic, origin in origins(USER_EVENTS, settings.region, settings.peers).items():
            record = known.get(origin)
            owner = origin if record is None else record.owner
            heard_from = _first_peer(settings, origin, owner)
            compared = _first_peer(settings, owner, origin)
            seen = Seen(
                region=settings.region,
                origin=origin,
                record=record,
                held=held,
                of_partitions=settings.partitions,
                partitions=_partitions(progress, topic),
                heard_from=heard_from,
                heard_s=None if heard_from is None else _heard_s(settings, heard_from),
                users=None if compared is None else lists.users(compared),
                model=Model(
                    here=released.served(MODEL, settings.region),
                    owner=released.served(MODEL, owner),
                ),
                sampled=lists.sampled(),
                lost=() if origin == settings.region else mirror_gaps.standing(settings, origin),
            )
            found.append(_origin(seen))
    except (BrokerError, KafkaException, LaneError) as error:
        return Readiness(
            region=settings.region,
            held=0,
            partitions=settings.partitions,
            sampled=Sampled(scored=0, failed=0),
            origins=[],
            problem=str(error).splitlines()[0],
        )
    return Readiness(
        region=settings.region,
        held=held,
        partitions=settings.partitions,
        sampled=lists.sampled(),
        origins=found,
        problem=None,
    )


def reasons(seen: Seen) -> Iterator[Reason]:
    """Each that speaks against this region as the owner; pure."""
    if seen.record is None:
        yield Reason("ownership", "no valid record says who owns it")
    if seen.held < seen.of_partitions:
        yield Reason("workers", f"workers hold {seen.held} of {seen.of_partitions} partitions")
    if seen.heard_from is not None:
        yield from _of_mirror(seen.heard_s)
    if seen.lost:
        yield Reason("lost", mirror_gaps.sentence(seen.origin, seen.lost))
    if late := [one for one in seen.partitions if one.behind > NEAR_RECORDS]:
        worst = max(late, key=lambda one: one.behind)
        yield Reason(
            "behind",
            f"{len(late)} of {len(seen.partitions)} partitions are behind, "
            f"partition {worst.partition} by {worst.behind} records",
        )
    if seen.users is not None and seen.users.differing_twice:
        yield Reason(
            "users",
            f"{seen.users.differing_twice} users differ for good from those of {seen.users.peer}, "
            f"such as {', '.join(seen.users.such_as)}; `tidemill region join` mends it",
        )
    if not seen.stands_by:
        return
    if seen.model.here != seen.model.owner:
        yield Reason(
            "model",
            f"it serves {_named(seen.model.here)}, its owner {_named(seen.model.owner)}",
        )
    if seen.model.here is not None and seen.sampled.is_warm is False:
        yield Reason("triton", f"Triton scored none of {seen.sampled.failed} sampled asks in time")


def _first_peer(settings: Settings, *regions: str) -> str | None:
    return next((region for region in regions if region in settings.peers), None)


def _of_mirror(heard_s: float | None) -> Iterator[Reason]:
    if heard_s is None:
        yield Reason("mirror", "the mirror has brought no heartbeat")
    elif heard_s > SILENT_S:
        yield Reason("mirror", f"the mirror has brought no heartbeat for {heard_s:.0f} s")


def _named(served: Served | None) -> str:
    if served is None:
        return "no model"
    if served.canary is None:
        return f"version {served.version}"
    share = f"{served.canary.share:.0%}"
    return f"version {served.version} and to {share} {served.canary.version}"


def _origin(seen: Seen) -> Origin:
    record, against = seen.record, list(reasons(seen))
    return Origin(
        origin=seen.origin,
        epoch=None if record is None else record.epoch,
        owner=None if record is None else record.owner,
        draining=record is not None and record.draining,
        heard_s=seen.heard_s,
        lost=list(seen.lost),
        partitions=list(seen.partitions),
        users=seen.users,
        model=seen.model,
        is_warm=seen.sampled.is_warm if seen.stands_by else None,
        reasons=against,
        not_ready="; ".join(reason.says for reason in against) or None,
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
