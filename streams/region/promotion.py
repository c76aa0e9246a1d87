"""How an origin changes hands: the records that do it, what they end, what they would lose, and
why they must not be written.

Pure: the commands of `infra` read topics to their ends, ask here, and write what they are given;
the simulator does the same. Nothing here reads a clock or a topic.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import msgspec

from schemas.control import Ownership, PastEpoch
from schemas.recommendations import AnswerHeaders
from streams.region.ownership import next_epoch


class Fences:
    """Of the epoch that `ownership` names as the current one: per partition the append time of
    the newest cause that it had answered, as far as the recommendations handed in tell.
    """

    def __init__(self, ownership: Ownership) -> None:
        self._ownership = ownership
        self.newest_ms: dict[int, int] = {}

    def take(self, partition: int, headers: AnswerHeaders) -> None:
        """A recommendation of any topic, own or mirrored, in any order."""
        ended = self._ownership
        if (headers.origin, headers.epoch) != (ended.origin, ended.epoch):
            return
        cause_ms = headers.cause.appended_at_ms
        self.newest_ms[partition] = max(cause_ms, self.newest_ms.get(partition, cause_ms))


def promoted(
    ended: Ownership,
    region: str,
    region_number: int,
    fences: Mapping[int, int],
    *,
    command_id: str,
    reason: str | None = None,
) -> Ownership:
    """The record by which `region` owns the origin. `fences` are those of the epoch that ends;
    earlier epochs keep theirs.
    """
    past = PastEpoch(epoch=ended.epoch, owner=ended.owner, fences=dict(fences))
    return Ownership(
        origin=ended.origin,
        epoch=next_epoch(ended.epoch, region_number),
        owner=region,
        past=[*ended.past, past],
        command_id=command_id,
        reason=reason,
    )


def demoted(current: Ownership, *, command_id: str, reason: str | None = None) -> Ownership:
    """The record by which the owner publishes no more; its epoch lasts until somebody else's."""
    return msgspec.structs.replace(current, draining=True, command_id=command_id, reason=reason)


@dataclass(frozen=True, kw_only=True)
class Standby:
    """What is known of the region that is to take an origin over, and of its owner."""

    unread: Iterable[str] = ()
    """Topics of recommendations or ownership that could not be read to their ends."""
    owner_alive: bool
    """Whether the owner's heartbeats still come, by the mirror or by the prober."""
    undrained: Mapping[int, int] = field(default_factory=dict)
    """Partition -> records of the origin that a draining owner has yet to process."""
    lag: int
    """Records of the origin that this region holds and has not folded."""
    lag_bound: int
    users_differing: int | None = None
    """By a full rotation of `state-digests`, users missing included; None: there was none."""
    peer_epoch: int | None = None
    """The epoch that the peer's own copy of `region-ownership` has; None: it cannot be asked."""


def why_not_promote(current: Ownership | None, region: str, standby: Standby) -> list[str]:
    """Sentences, one a reason; empty: it may be done. `--force` can overrule all but the first."""
    if current is None:
        return ["no valid record of this origin was read, so nothing tells which epoch would end"]
    reasons = [f"{topic} could not be read to its end" for topic in standby.unread]
    if current.owner == region and not current.draining:
        reasons.append(f"{region} owns {current.origin} already, at epoch {current.epoch}")
    elif standby.owner_alive and not current.draining:
        reasons.append(
            f"{current.owner} is alive and owns {current.origin}: `--planned` lets it drain first"
        )
    if current.draining and standby.owner_alive:
        reasons += _undrained(current, standby)
    return reasons + _behind(region, standby)


def why_not_demote(current: Ownership | None, region: str) -> list[str]:
    """As `why_not_promote`, for the owner that is to hand an origin over."""
    if current is None:
        return ["no valid record of this origin was read"]
    if current.owner != region:
        return [f"{region} does not own {current.origin}: {current.owner} does"]
    if current.draining:
        return [f"{region} drains {current.origin} already, at epoch {current.epoch}"]
    return []


def why_not_fail_back(current: Ownership | None, region: str, standby: Standby) -> list[str]:
    """As `why_not_promote`, for a region that takes its own origin back from one that lives:
    demote, drain and promote follow, so that the owner lives is no reason here.
    """
    if current is None:
        return ["no valid record of this origin was read"]
    reasons = [f"{topic} could not be read to its end" for topic in standby.unread]
    if current.owner == region and not current.draining:
        reasons.append(f"{region} owns {current.origin} already, at epoch {current.epoch}")
    if standby.peer_epoch is None:
        reasons.append("the other region cannot be asked which epoch it knows")
    elif standby.peer_epoch != current.epoch:
        reasons.append(
            f"the other region knows epoch {standby.peer_epoch}, this one {current.epoch}:"
            " wait for the mirror"
        )
    reasons += _behind(region, standby)
    if standby.users_differing is None:
        reasons.append("no full rotation of state-digests has compared the users yet")
    elif standby.users_differing > 0:
        reasons.append(f"{standby.users_differing} users differ or are missing: join them first")
    return reasons


def foretold(
    ends: Mapping[int, int],
    mirrored_to: Mapping[int, int],
    rate: Mapping[int, float],
    age_s: float,
) -> dict[int, int]:
    """Partition -> records that may be lost: those seen at the source and not mirrored, and as
    many as come in the time since the source was seen last.

    `ends` are the source's end offsets as last sampled, `mirrored_to` the mirror's position in
    the same offsets (never the copy's end: transactions and repeats shift it), `rate` in records
    a second, `age_s` of the sample.
    """
    return {
        partition: max(0, end - mirrored_to.get(partition, 0))
        + _rounded_up(rate.get(partition, 0.0) * age_s)
        for partition, end in ends.items()
    }


def _undrained(current: Ownership, standby: Standby) -> list[str]:
    return [
        f"{current.owner} has {records} records of partition {partition} yet to process"
        for partition, records in sorted(standby.undrained.items())
        if records > 0
    ]


def _behind(region: str, standby: Standby) -> list[str]:
    if standby.lag <= standby.lag_bound:
        return []
    return [f"{region} has {standby.lag} records of it to fold, more than {standby.lag_bound}"]


def _rounded_up(records: float) -> int:
    return -int(-records // 1)
