"""The link is cut for longer than the source keeps its events: the mirror returns to a gap, says
nothing and goes on behind it. The standby says so, and `region join` heals what it lacks.

Both MirrorMakers sleep (SIGSTOP) while the east's broker removes segments: its retention is made
as short as that. Events of the east never come to the west, their effect on its people does.
"""

import time
from collections.abc import Mapping
from typing import Any

from infra.failover.mirrored import mirrored_to
from infra.local import mirror
from schemas.topics import USER_EVENTS
from tests.drills.check.findings import Findings, Report
from tests.drills.check.inputs import EAST
from tests.drills.harness.commands import region_command
from tests.drills.harness.failing import Failing
from tests.drills.harness.played import played
from tests.drills.harness.scene import Ground
from tests.drills.harness.status import against, status
from tests.drills.harness.waiting import until
from tests.drills.harness.witness import Witness, configure

SHORT = {"rate": 40.0, "users": 60, "partitions": 2, "steady_s": 3.0, "retention_s": 6.0}
_BROKER = {"log.retention.check.interval.ms": "1000", "log.initial.task.delay.ms": "1000"}
_LOST_AT_LEAST = 10
"""Events of each partition."""


def run(
    ground: Ground,
    *,
    rate: float = 100.0,
    users: int = 200,
    partitions: int = 4,
    steady_s: float = 10.0,
    retention_s: float = 30.0,
) -> Report:
    """`retention_s`: how long the east keeps its events while the link is cut."""

    def story(play: Failing, findings: Findings) -> Mapping[str, Any]:
        return _story(play, findings, steady_s, retention_s)

    return played(
        "retention", ground, story, rate=rate, users=users, partitions=partitions, broker=_BROKER
    )


def _story(
    play: Failing, findings: Findings, steady_s: float, retention_s: float
) -> Mapping[str, Any]:
    two, east, west = play.two, play.east, play.west
    time.sleep(steady_s)
    witness = Witness(east.bootstrap, two.inputs[east.name], EAST)
    witness.look()
    for region in (east, west):
        region.pause(mirror.NAME)
    began_s = time.monotonic()
    crossed = mirrored_to(west.settings, east.name, USER_EVENTS)
    _forget(play, witness, crossed, retention_s)
    cut_s = round(time.monotonic() - began_s, 1)
    for region in (east, west):  # each served its own, cut off from everyone
        play.everybody_is_served(region, began_s, region.name)
        region.resume(mirror.NAME)
    said = until("the standby says that events were lost", lambda: against(west, "lost"))
    told = {one["partition"]: (one["begin"], one["end"]) for one in status(west)["lost"]}
    witness.look()
    witness.remember()
    lacking = two.ids(east, east) - two.ids(west, east)
    found = _gaps(witness, crossed, lacking)
    for number, (begin, end) in found.items():
        findings.looked("lost events", end - begin)
        if not (number in told and told[number][0] <= begin and end <= told[number][1]):
            findings.add("events that were lost in silence", f"{begin}:{end} of {number}: {told}")
    two.unmirrored[west.name] = {
        event_id
        for number, (begin, end) in found.items()
        for event_id in witness.ids(number, begin, end)
        if event_id in lacking
    }
    joined = region_command(west, "join", "--from", east.bootstrap, "--wait")
    two.alike_from_ms = time.time_ns() // 1_000_000
    if not joined["states"]["sent"]:
        findings.add("joins that brought nothing", str(joined))
    until("the standby says that it is mended", lambda: not against(west, "lost"))
    for region in (east, west):
        play.everybody_is_served(region, time.monotonic())
    return {
        "cut_by": "SIGSTOP of both MirrorMakers",
        "cut_s": cut_s,
        "retention_s": retention_s,
        "gap": {number: f"{begin}:{end}" for number, (begin, end) in found.items()},
        "lost_events": len(two.unmirrored[west.name]),
        "told": said,
        "join": joined,
    }


def _forget(
    play: Failing, witness: Witness, crossed: Mapping[int, int], retention_s: float
) -> None:
    """Returns when the east has removed events of each partition that had not crossed, and keeps
    its events again.
    """
    east = play.east
    short = {"retention.ms": str(round(retention_s * 1000)), "segment.ms": "1000"}
    configure(east.bootstrap, USER_EVENTS.name, short)

    def are_removed() -> bool:
        witness.look()
        starts = witness.starts()
        return all(starts[number] >= at + _LOST_AT_LEAST for number, at in crossed.items())

    until("the east's broker has removed what did not cross", are_removed)
    longer = {"retention.ms": USER_EVENTS.config()["retention.ms"], "segment.ms": None}
    configure(east.bootstrap, USER_EVENTS.name, longer)
    starts = [witness.starts()]

    def is_still() -> bool:
        """The broker looks every second."""
        witness.look()
        time.sleep(2)
        starts.append(witness.starts())
        return starts[-1] == starts[-2]

    until("it removes nothing any more", is_still)


def _gaps(
    witness: Witness, crossed: Mapping[int, int], lacking: set[str]
) -> dict[int, tuple[int, int]]:
    """Partition -> the first and behind the last offset of what was removed and never came."""
    gaps = {}
    for number, start in witness.starts().items():
        lost = [
            offset
            for offset in range(crossed[number], start)
            if lacking.intersection(witness.ids(number, offset, offset + 1))
        ]
        if lost:
            gaps[number] = lost[0], lost[-1] + 1
    return gaps
