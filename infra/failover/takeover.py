"""An origin is taken from an owner who lives, losing nothing: what `failback` and
`promote --planned` have in common.

In five steps; whatever kills the command between any two, it may be run again:

1. Decide: into the journal. Killed behind this: a rerun looks anew.
2. Fence other commands on this cluster and on the owner's. Killed behind this: as 1.
3. Write the draining record to the owner's cluster. Killed behind this: nobody answers for the
   origin until a rerun goes on.
4. Drain, by position, and read the fences.
5. Write the promotion here, if nobody came between. Killed behind this: a rerun answers `already`.
"""

from infra.failover import fences
from infra.failover.demote import drain, hand_over
from infra.failover.done import Done
from infra.failover.heads import Heads
from infra.failover.run import Run
from infra.failover.writing import Writer
from schemas.control import Ownership
from streams.region.ownership import next_epoch


def take_over(run: Run, current: Ownership, before: Heads, against: list[str]) -> Done:
    """`against` speaks against it, and is overruled where that is wished. Raises FailoverError,
    BrokerError, KafkaException, LaneError, OSError.
    """
    reach, wish = run.reach, run.wish
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
    entry = run.decide(current, epoch, run.reason(against))  # 1
    with Writer(reach.here) as writer:  # 2, before anybody waits for it
        draining = current
        if not current.draining:
            draining, entry = hand_over(run, owner, current, entry)  # 2, 3
        drain(run, draining, reach.region)  # 4
        entry = run.journal.step(entry, "drained")
        ended = fences.read(reach.here, draining)
        record = run.successor(draining, ended, entry.command_id, entry.reason)
        run.write_by(writer, draining, record)  # 5
    run.journal.step(entry, "done")
    peer = run.peer(record)
    return run.done(
        "done", record, before, ended_epoch=current.epoch, fences=ended, tail_age_s=0.0,
        overruled=against, peer=peer,
    )  # fmt: skip


def would_take_over(run: Run, current: Ownership, before: Heads, against: list[str]) -> Done:
    """What that would do."""
    ended = fences.read(run.reach.here, current)
    record = run.successor(current, ended, "", run.reason(against))
    kind = "refused" if run.wish.force is None else "overruled"
    return run.done(
        "dry run", record, before, command_id=None, ended_epoch=current.epoch, fences=ended,
        tail_age_s=0.0, **{kind: against},
    )  # fmt: skip
