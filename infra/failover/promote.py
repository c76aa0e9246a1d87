"""`tidemill region promote`: a region takes an origin over, whether its owner lives or not.

In seven steps. Whatever kills the command between any two, it may be run again:

1. Look: what every cluster that answers says of the origin, what this region has folded, whether
   the owner lives. Nothing is written; where it is refused here, nothing has happened.
2. Decide: command id, epoch and reason go into the journal. Killed behind this: a rerun looks
   anew and goes on under the same id.
3. Fence whoever else commands this cluster. Killed behind this: as 2.
4. Look once more at what holds: it must be what was decided upon.
5. Write the record, in one transaction. Killed before its commit: as 2, a rerun aborts what is
   open. Killed behind it: the record is there, and a rerun answers `already`.
6. Read back that it holds.
7. See whether the peers know; their mirrors bring it.

`--planned` is for an owner who lives: he drains first, and nothing is lost (takeover.py).
"""

import msgspec

from infra.failover.demote import why_not_take
from infra.failover.done import Done
from infra.failover.heads import Heads
from infra.failover.looking import UNSEEN, look
from infra.failover.run import Run
from infra.failover.takeover import take_over, would_take_over
from schemas.control import Ownership
from streams.region.ownership import next_epoch
from streams.region.promotion import why_not_promote


def promote(run: Run, *, planned: bool = False) -> Done:
    """`planned`: the owner lives and is to hand over (takeover.py). Raises FailoverError,
    BrokerError, KafkaException, LaneError, OSError.
    """
    reach, wish = run.reach, run.wish
    before = run.heads()  # 1
    current = before.current
    if current is None:
        reasons = why_not_promote(None, reach.region, UNSEEN)
        raise run.refused(reasons, overrulable=False)
    if current.owner == reach.region and not current.draining:
        return run.already(current, before)
    if planned and current.owner != reach.region:
        return _planned(run, current, before)
    seen = look(reach, current, patient=wish.force is None)
    run.progress.did("looked")
    against = why_not_promote(current, reach.region, seen.standby) + seen.against
    told = {
        "ended_epoch": current.epoch, "fences": seen.fences,
        "tail": seen.tail.partitions, "tail_age_s": seen.tail.age_s,
    }  # fmt: skip
    if wish.dry_run:
        record = run.successor(current, seen.fences, "", run.reason(against))
        return run.done(
            "dry run", record, before, command_id=None, **_overruled(run, against), **told
        )
    if against and wish.force is None:
        raise run.refused(against)
    epoch = next_epoch(current.epoch, reach.here.region_number)
    entry = run.decide(current, epoch, run.reason(against))  # 2
    here = {one.partition: one.mirrored_to for one in seen.tail.partitions}
    entry = run.journal.write(msgspec.structs.replace(entry, mirrored_to=here))
    record = run.successor(current, seen.fences, entry.command_id, entry.reason)
    run.write(reach.here, current, record)  # 3, 4, 5, 6
    run.journal.step(entry, "done")
    peer = run.peer(record)  # 7
    return run.done("done", record, before, peer=peer, overruled=against, **told)


def _planned(run: Run, current: Ownership, before: Heads) -> Done:
    reach = run.reach
    # What drains already is waited for, however far behind it is: nobody answers meanwhile.
    against = [] if current.draining else why_not_take(reach, current, reach.region)
    run.progress.did("looked")
    if run.wish.dry_run:
        return would_take_over(run, current, before, against)
    return take_over(run, current, before, against)


def _overruled(run: Run, against: list[str]) -> dict[str, list[str]]:
    return {"refused": against} if run.wish.force is None else {"overruled": against}
