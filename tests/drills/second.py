"""A second failover before anybody failed back: the east dies, the west takes over, the east comes
back as a standby, and then the west dies; the east takes both over. All go home in the end.
"""

import time

from tests.drills.check.findings import Findings, Report, report
from tests.drills.harness.failing import Failing
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
            lost = play.fail(east)
            epoch = play.take_over(west, "east")
            play.come_back(east, epoch, lost)
            play.judge(findings)
            two.nearly_folded(east)
            time.sleep(steady_s)
            lost = play.fail(west)
            epoch = play.take_over(east, "east", "west")
            time.sleep(steady_s)
            play.come_back(west, epoch, lost)
            play.judge(findings)
            play.fail_back(west)
            for region in (east, west):
                play.everybody_is_served(region, time.monotonic())
        finally:
            play.close()
        findings.take(two.verdict())
        figures = {**play.figures, **two.figures, "events": two.acked()}
        return report("second", findings, figures)
