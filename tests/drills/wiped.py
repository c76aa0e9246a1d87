"""A region loses its disks and is rebuilt by `region join` while the other serves.

The west dies and everything in it is gone, its topics too; the east takes its people over. A new
west starts empty. The mirrors bring what the logs still hold; what the west's own topics held only
its people's states know, and these the join brings. What had not crossed is lost for good, and was
foretold.
"""

import time

from infra import topics
from infra.local import mirror
from tests.drills.check.findings import Findings, Report, report
from tests.drills.harness.commands import region_command
from tests.drills.harness.failing import Failing
from tests.drills.harness.region import Region
from tests.drills.harness.scene import Ground

SHORT = {"rate": 40.0, "users": 60, "partitions": 2, "steady_s": 3.0}


def run(
    ground: Ground,
    *,
    rate: float = 100.0,
    users: int = 200,
    partitions: int = 4,
    steady_s: float = 10.0,
) -> Report:
    with ground.two(partitions=partitions) as two:
        play, findings = Failing(two, rate, users), Findings()
        east, west = play.east, play.west
        try:
            time.sleep(steady_s)
            lost = play.fail(west)
            two.wiped, two.lost = west.name, {one.event_id for one in lost}
            play.take_over(east, west.name)
            time.sleep(steady_s)
            _rebuild(west)
            two.apps[west.name].forget()
            two.apps[west.name].start()
            two.opened(west)
            two.nearly_folded(west)
            joined = region_command(west, "join", "--from", east.bootstrap, "--wait")
            findings.looked("joined states", joined["states"]["sent"])
            two.twins.back()
            play.fail_back(west)
            time.sleep(steady_s)
            for region in (east, west):
                play.everybody_is_served(region, time.monotonic())
        finally:
            play.close()
        findings.take(two.verdict())
        play.judge_tail(findings)
        if not joined["states"]["sent"]:
            findings.add("joins that brought nothing", str(joined))
        figures = {"join": joined, **play.figures, **two.figures, "events": two.acked()}
        return report("wiped", findings, figures)


def _rebuild(region: Region) -> None:
    """Empty servers and workers with the declared topics, and no owner of its own making."""
    region.wipe()
    region.start(*(name for name in region.servers if name != mirror.NAME))
    settings = region.settings
    topics.create(region.bootstrap, settings.partitions, region.name, settings.peers)
    region.start(mirror.NAME)
    region.start_workers()
