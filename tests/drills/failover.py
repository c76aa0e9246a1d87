"""The region that owns the users is killed without warning, the other takes over by the real
command, people go on; the dead region returns, is fenced, catches up and takes its users back.

Everything is real: two brokers, two MirrorMakers, workers, in the long form ClickHouse and a Triton
in each region. What the people of both apps were given is judged against what both logs say.
"""

import time
from pathlib import Path

from tests.drills.check.findings import Findings, Report, report
from tests.drills.failover_table import failover_table
from tests.drills.harness.both_archives import check_archives
from tests.drills.harness.failing import Failing
from tests.drills.harness.scene import Ground

SHORT = {
    "rate": 40.0, "users": 60, "partitions": 2, "steady_s": 3.0, "full": False, "bars": False,
    "picture": "",
}  # fmt: skip
RTO_BAR_S = 10.0
SILENT_BAR_S = 5.0
"""Of a planned switch, and the way back is one."""


def run(
    ground: Ground,
    *,
    rate: float = 200.0,
    users: int = 300,
    partitions: int = 8,
    steady_s: float = 20.0,
    full: bool = True,
    frozen: bool = False,
    bars: bool = True,
    picture: str = "failover.png",
) -> Report:
    """`rate` is of the east's people, the west has a quarter; `steady_s` between two changes;
    `full`: with models and archives; `frozen`: SIGSTOP instead of SIGKILL, and the region returns
    with all that it had in hand. Not `bars`: times are told and not judged, where other work is on
    the machine. `picture`: where it is drawn; empty: nowhere.
    """
    with ground.two(partitions=partitions, full=full) as two:
        play = Failing(two, rate, users, full=full, watched=bool(picture))
        east, west = play.east, play.west
        try:
            time.sleep(steady_s)
            lost = play.fail(east, frozen=frozen)
            epoch = play.take_over(west, east.name)
            time.sleep(steady_s)
            play.come_back(east, epoch, lost, frozen=frozen)
            play.fail_back(east)
            time.sleep(steady_s)
            play.everybody_is_served(east, time.monotonic())
        finally:
            play.close()
        findings = Findings()
        if full:
            two.settle()
            check_archives(two, findings)
        findings.take(two.verdict())
        play.judge(findings)
        if bars:
            for partition, seconds in play.figures["rto_s"].items():
                if seconds > RTO_BAR_S:
                    findings.add("takeovers that took too long", f"{partition}: {seconds} s")
            if (silent_s := play.figures["failback"]["silent_s"]) > SILENT_BAR_S:
                findings.add("partitions silent for too long", f"failback: {silent_s} s")
        if picture:
            # matplotlib is slow to import, and tests need none.
            from tests.drills.picture import draw  # noqa: PLC0415

            draw(
                play.watch.curves, "A region fails, the other takes over, it returns", Path(picture)
            )
        figures = {
            **play.figures,
            **two.figures,
            "events": two.acked(),
            "curves": play.watch.curves,
        }
        return report("failover", findings, figures, failover_table(figures, findings))
