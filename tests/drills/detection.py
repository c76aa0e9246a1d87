"""Probers in a region and outside, under load: the link between the regions is cut, then the
outside is cut off from one of them and from both, and nobody is promoted; then a region dies, and
the other takes over by itself.
"""

import time
from typing import Any

from infra.probing.watch import OUTSIDE
from tests.drills.check.findings import Findings, Report, report
from tests.drills.harness.cutting import Cuts, cutting
from tests.drills.harness.failing import Failing
from tests.drills.harness.region import Region
from tests.drills.harness.scene import Ground
from tests.drills.harness.waiting import until
from tests.drills.harness.watched import hear, holds, told
from tests.servers.probers import AFTER_S, Probers, probing

SHORT = {"rate": 40.0, "users": 60, "partitions": 2, "cut_s": 4 * AFTER_S}


def run(
    ground: Ground,
    *,
    rate: float = 100.0,
    users: int = 200,
    partitions: int = 4,
    cut_s: float = 60.0,
) -> Report:
    """`cut_s`: of silence, some times longer than what a promotion waits for."""
    with ground.two(partitions=partitions, apart=True) as two:
        play, findings = Failing(two, rate, users), Findings()
        east, west = play.east, play.west
        settings = {name: region.settings for name, region in two.regions.items()}
        figures: dict[str, Any] = {"promotes_after_s": AFTER_S, "cut_s": cut_s}
        try:
            with probing(settings, west.home.root, two.network) as probers:
                cuts = cutting(two, probers)
                figures["cut_by"] = cuts.by
                probers.start(west.name)
                probers.start(OUTSIDE, automatic=True)
                hear(probers)
                for observer, unseen in (
                    (west.name, (east,)),
                    (OUTSIDE, (east,)),
                    (OUTSIDE, (east, west)),
                ):
                    _nobody_moves(play, probers, cuts, observer, unseen, cut_s, findings)
                lost = play.fail(east)
                until("the west owns the east", lambda: holds(west).owner == west.name)
                figures["told"] = told(probers[OUTSIDE])
            epoch = play.take_over(west, east.name)  # done already; its people move
            play.come_back(east, epoch, lost)
        finally:
            play.close()
        findings.take(two.verdict())
        play.judge(findings)
        figures = {**play.figures, **two.figures, **figures, "events": two.acked()}
        return report("detection", findings, figures)


def _nobody_moves(
    play: Failing,
    probers: Probers,
    cuts: Cuts,
    observer: str,
    unseen: tuple[Region, ...],
    cut_s: float,
    findings: Findings,
) -> None:
    """However long one of two does not hear the east: it goes on serving, and owns itself."""
    what = f"{observer} is cut off from {' and '.join(region.name for region in unseen)}"
    before = holds(play.west)
    for region in unseen:
        cuts.cut(observer, region.name)
    until(f"{what} for long", lambda: probers[observer].silent_s("east") > cut_s)
    began_s = time.monotonic()
    play.everybody_is_served(play.east, began_s, play.east.name)
    findings.looked("cuts in which nobody may be promoted")
    if holds(play.west) != before:
        findings.add("promotions in a cut", f"{what}: {holds(play.west)}")
    for region in unseen:
        cuts.heal(observer, region.name)
    hear(probers)
