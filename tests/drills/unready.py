"""The region that is to take over is not at rest when the other dies: a worker joins just then and
partitions change hands; and in a second failover, its worker has lost its disk and restores.
"""

import time

from tests.drills.check.findings import Findings, Report, report
from tests.drills.harness.failing import Failing
from tests.drills.harness.region import Region
from tests.drills.harness.scene import Ground
from tests.drills.harness.waiting import until

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
            _rebalance(west)
            epoch = play.take_over(west, "east")
            play.come_back(east, epoch, lost)
            play.judge(findings)
            two.nearly_folded(east)
            time.sleep(steady_s)
            lost = play.fail(west)
            _restore(east)
            epoch = play.take_over(east, "east", "west")
            time.sleep(steady_s)
            play.come_back(west, epoch, lost)
            play.judge(findings)
        finally:
            play.close()
        findings.take(two.verdict())
        figures = {**play.figures, **two.figures, "events": two.acked()}
        return report("unready", findings, figures)


def _rebalance(region: Region) -> None:
    """Returns when a second worker is given its partitions, which the first has just lost."""
    (crew,) = region.crews
    (joining,) = crew.add(1)
    until(f"{joining.name} of {region.name} is a member", lambda: joining.has_joined)


def _restore(region: Region) -> None:
    """Its worker is gone with its disk, and begins anew."""
    (crew,) = region.crews
    (worker,) = crew.living()
    crew.kill(worker, wipe=True)
