"""A region returns with its clock behind: append times in its topics go back, and are off from
there on. All that orders asks and ends epochs is an append time.
"""

import time

from tests.drills.check.findings import Findings, Report, report
from tests.drills.harness.clocks import set_clock
from tests.drills.harness.failing import Failing
from tests.drills.harness.scene import Ground

SHORT = {"rate": 40.0, "users": 60, "partitions": 2, "steady_s": 3.0}


def run(
    ground: Ground,
    *,
    rate: float = 100.0,
    users: int = 200,
    partitions: int = 4,
    steady_s: float = 20.0,
    off_s: int = -30,
) -> Report:
    with ground.two(partitions=partitions) as two:
        play, findings = Failing(two, rate, users), Findings()
        east, west = play.east, play.west
        try:
            time.sleep(steady_s)
            lost = play.fail(east)
            epoch = play.take_over(west, east.name)
            time.sleep(steady_s)
            set_clock(east, off_s)
            play.come_back(east, epoch, lost)
            play.fail_back(east)
            time.sleep(steady_s)
            for region in (east, west):
                play.everybody_is_served(region, time.monotonic())
        finally:
            play.close()
        findings.take(two.verdict())
        play.judge(findings)
        figures = {"off_s": off_s, **play.figures, **two.figures, "events": two.acked()}
        return report("clock", findings, figures)
