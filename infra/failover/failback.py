"""`tidemill region failback`: a region takes its origin back from one that lives, losing nothing.

In six steps; whatever kills the command between any two, it may be run again:

1. Look: whether both clusters know the same epoch, how far this region is behind, whether a full
   rotation of `state-digests` has shown no user that differs. Where only that is missing, ask both
   regions for one and wait. Where it is refused here, nothing has happened.
2. Decide: into the journal. Killed behind this: a rerun looks anew.
3. Fence other commands on the owner's cluster, and write the draining record there. Killed behind
   this: nobody answers for the origin until a rerun goes on, which does not compare users again.
4. Drain, by position.
5. Fence other commands on this cluster, and write the promotion. Killed behind this: a rerun
   answers `already`.
6. See whether the peers know.
"""

import time
from dataclasses import dataclass

import msgspec
from confluent_kafka import KafkaException

from infra.broker import BrokerError
from infra.failover import fences
from infra.failover.demote import drain, hand_over
from infra.failover.done import Done
from infra.failover.heads import Heads
from infra.failover.looking import UNSEEN, lag_bound, lag_of
from infra.failover.promote import already, successor
from infra.failover.rotation import Rotation, read
from infra.failover.run import Run
from schemas.control import Ownership
from streams.lane.errors import LaneError
from streams.region.ownership import next_epoch
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
            return already(run, current, before)
        own = f"{reach.region} drains itself; `tidemill region promote` lets it go on"
        raise run.refused([own], overrulable=False)
    found = _against(run, current, before)
    run.progress.did("looked")
    if found.lacks_only_rotation and not wish.dry_run and wish.force is None:
        current, before, found = _rotated(run, current)
    against = found.reasons
    if wish.dry_run:
        record = successor(run, current, fences.read(reach.here, current), "", run.reason(against))
        kind = "refused" if wish.force is None else "overruled"
        return run.done(
            "dry run", record, before, command_id=None, ended_epoch=current.epoch,
            fences=record.past[-1].fences, tail_age_s=0.0, **{kind: against},
        )  # fmt: skip
    owner = reach.of(current.owner)
    if owner is None or not reach.answers(current.owner):
        gone = (
            f"{current.owner} does not answer, so it cannot be demoted;"
            f" `tidemill region promote {current.origin}` takes it from one that is gone"
        )
        raise run.refused([gone], overrulable=False)
    if against and wish.force is None:
        raise run.refused(against)
    epoch = next_epoch(current.epoch, reach.here.region_number)
    entry = run.decide(current, epoch, run.reason(against))  # 2
    draining = current
    if not current.draining:
        draining, entry = hand_over(run, owner, current, entry)  # 3
    drain(run, draining, reach.region)  # 4
    entry = run.journal.step(entry, "drained")
    ended = fences.read(reach.here, draining)
    record = successor(run, draining, ended, entry.command_id, entry.reason)
    run.write(reach.here, draining, record)  # 5
    run.journal.step(entry, "done")
    peer = run.peer(record)  # 6
    return run.done(
        "done", record, before, ended_epoch=current.epoch, fences=ended, tail_age_s=0.0,
        overruled=against, peer=peer,
    )  # fmt: skip


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
