"""`tidemill region failback`: a region takes its origin back from one that lives, losing nothing.

In two steps; whatever kills the command, it may be run again:

1. Look: whether both clusters know the same epoch, how far this region is behind, whether a full
   rotation of `state-digests` has shown no user that differs. Where only that is missing, ask both
   regions for one and wait. Where it is refused here, nothing has happened.
2. Take over, as takeover.py says. Killed while the owner drains, a rerun does not compare users
   again.
"""

import time
from dataclasses import dataclass

import msgspec
from confluent_kafka import KafkaException

from infra.broker import BrokerError
from infra.failover import fences
from infra.failover.done import Done
from infra.failover.heads import Heads
from infra.failover.looking import UNSEEN, lag_bound, lag_of
from infra.failover.rotation import Rotation, read
from infra.failover.run import Run
from infra.failover.takeover import take_over, would_take_over
from schemas.control import Ownership
from streams.lane.errors import LaneError
from streams.region.promotion import Standby, why_not_fail_back

_LOOK_S = 1.0


def fail_back(run: Run) -> Done:
    """Raises FailoverError, BrokerError, KafkaException, LaneError, OSError."""
    reach, wish = run.reach, run.wish
    before = run.heads()  # 1
    current = before.current
    if current is None:
        reasons = why_not_fail_back(None, reach.region, UNSEEN)
        raise run.refused(reasons, overrulable=False)
    if current.owner == reach.region:
        if not current.draining:
            return run.already(current, before)
        own = f"{reach.region} drains itself; `tidemill region promote` lets it go on"
        raise run.refused([own], overrulable=False)
    found = _against(run, current, before)
    run.progress.did("looked")
    if found.lacks_only_rotation and not wish.dry_run and wish.force is None:
        current, before, found = _rotated(run, current)
    if wish.dry_run:
        return would_take_over(run, current, before, found.reasons)
    return take_over(run, current, before, found.reasons)  # 2


@dataclass(frozen=True)
class _Against:
    """What speaks against it, and what the users' comparison has come to, where that counts."""

    reasons: list[str]
    rotation: Rotation | None

    @property
    def lacks_only_rotation(self) -> bool:
        return self.rotation is not None and self.rotation.missing > 0 and len(self.reasons) == 1


def _rotated(run: Run, current: Ownership) -> tuple[Ownership, Heads, _Against]:
    """Ask every region to list all its users, with a record that changes nothing else, and wait
    until their lists are compared, or something else speaks against it.
    """
    asked = msgspec.structs.replace(current, rotation_ms=int(time.time() * 1000))
    run.write(run.reach.here, current, asked)
    ends = time.monotonic() + run.wish.timeout_s
    while True:
        before = run.heads()
        found = _against(run, asked, before)
        if not found.lacks_only_rotation or time.monotonic() > ends:
            run.progress.did("compared the users of both regions")
            return asked, before, found
        time.sleep(_LOOK_S)


def _against(run: Run, current: Ownership, before: Heads) -> _Against:
    here = run.reach.here
    unread = []
    try:
        fences.read(here, current)
    except (BrokerError, KafkaException, LaneError):
        unread = [f"recommendations of {current.owner}"]
    rotation = None if _was_looked_at(run, current) else read(here, current.owner, before.since_ms)
    standby = Standby(
        unread=unread,
        owner_alive=True,
        lag=lag_of(here, current.origin),
        lag_bound=lag_bound(here),
        users_differing=0 if rotation is None else rotation.users_differing,
        peer_epoch=before.epoch(current.owner),
    )
    reasons = why_not_fail_back(current, here.region, standby)
    return _Against([_with_progress(reason, rotation) for reason in reasons], rotation)


def _was_looked_at(run: Run, current: Ownership) -> bool:
    """Whether this very command compared the users, demoted the owner and was killed then."""
    entry = run.journal.read()
    return (
        entry is not None and current.draining
        and (entry.command, entry.command_id) == (run.command, current.command_id)
    )  # fmt: skip


def _with_progress(reason: str, rotation: Rotation | None) -> str:
    if rotation is None or not rotation.missing or "full rotation" not in reason:
        return reason
    return f"{reason}: {rotation.missing} slices are yet to be compared"
