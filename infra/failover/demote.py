"""`tidemill region demote`: the owner of an origin stops answering, and is waited for.

In five steps, each of which may be the last before the command is killed; a rerun goes on:

1. Look: who owns the origin, and whether the one that is to take it over answers and is near.
2. Decide: into the journal.
3. Fence other commands on the owner's cluster, and write the record with draining=true. Killed
   behind this, the origin drains and nobody answers for it; a rerun goes on with 4.
4. Drain, by position: the owner has processed the origin's events up to the end that was seen
   behind the record, and the taker has mirrored and folded them, and the owner's answers.
5. Done: `promote` follows. Nothing was lost, whenever it comes; until then nobody answers.
"""

from infra.failover.done import Done
from infra.failover.draining import Drain
from infra.failover.journal import Entry
from infra.failover.looking import lag_bound, lag_of
from infra.failover.mirrored import last_behind, mirrored_to
from infra.failover.reach import Reach
from infra.failover.run import Run
from schemas.control import Ownership
from schemas.topics import USER_EVENTS
from streams.region.promotion import demoted, why_not_demote
from streams.settings import Settings


def demote(run: Run, taker: str) -> Done:
    """Raises FailoverError, BrokerError, KafkaException, LaneError, OSError."""
    reach, wish = run.reach, run.wish
    before = run.heads()  # 1
    current = before.current
    if current is not None and current.owner == taker and not current.draining:
        return run.done("already", current, before)
    is_draining = current is not None and current.owner == reach.region and current.draining
    if current is not None and is_draining:
        return _drain_on(run, current, taker)
    reasons = why_not_demote(current, reach.region)
    if current is None or reasons:
        raise run.refused(reasons, overrulable=False)
    against = why_not_take(reach, current, taker)
    run.progress.did("looked")
    if wish.dry_run:
        record = demoted(current, command_id="", reason=run.reason(against))
        kind = "refused" if wish.force is None else "overruled"
        return run.done("dry run", record, before, command_id=None, **{kind: against})
    if against and wish.force is None:
        raise run.refused(against)
    entry = run.decide(current, current.epoch, run.reason(against))  # 2
    record, entry = hand_over(run, reach.here, current, entry)  # 3
    drain(run, record, taker)  # 4
    run.journal.step(entry, "done")
    return run.done("done", record, before, overruled=against)  # 5


def hand_over(
    run: Run, cluster: Settings, current: Ownership, entry: Entry
) -> tuple[Ownership, Entry]:
    """Write the draining record to the owner's cluster."""
    record = demoted(current, command_id=entry.command_id, reason=entry.reason)
    run.write(cluster, current, record)
    return record, run.journal.step(entry, "demoted")


def drain(run: Run, record: Ownership, taker: str) -> None:
    """Returns when it is done. Raises TimeoutPassedError, FailoverError."""
    waited = Drain(run.reach, record.origin, record.owner, taker)
    waited.begin()
    waited.wait(run.wish.timeout_s)
    run.progress.did("drained")


def why_not_take(reach: Reach, current: Ownership, taker: str) -> list[str]:
    """What speaks against handing an origin to a region: until that has all, nobody answers."""
    origin = current.origin
    behind = reach.asked(taker, lambda settings: lag_of(settings, origin))
    ends = reach.asked(origin, lambda settings: last_behind(settings, USER_EVENTS.name))
    silent = [name for name, said in ((taker, behind), (origin, ends)) if said is None]
    if behind is None or ends is None:
        names = " and ".join(dict.fromkeys(silent))
        return [f"{names} does not answer, so nobody could tell when {origin} is drained"]
    bound = lag_bound(reach.here)
    reasons = []
    if taker != origin:
        crossed = reach.asked(taker, lambda s: mirrored_to(s, origin, USER_EVENTS)) or {}
        missing = sum(max(0, end - crossed.get(part, 0)) for part, end in ends.items())
        if missing > bound:
            reasons.append(f"{missing} records of {origin} are yet to reach {taker}")
    if behind > bound:
        reasons.append(f"{taker} has {behind} records of it to fold, more than {bound}")
    return reasons


def _drain_on(run: Run, current: Ownership, taker: str) -> Done:
    """The record is there: of a call that was killed, or of somebody else's."""
    before = run.heads()
    if run.wish.dry_run:
        return run.done("already", current, before)
    entry = run.journal.read()
    drain(run, current, taker)  # 4
    is_ours = entry is not None and entry.command_id == current.command_id
    if entry is None or not is_ours or entry.step == "done":
        return run.done("already", current, before)
    run.journal.step(entry, "done")
    return run.done("done", current, before)  # 5
