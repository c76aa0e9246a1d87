"""Probers in a region and outside, under load: the link between the regions is cut, then only the
outside is cut off, and nobody is promoted; then a region dies, and the other takes over by itself.

What is cut off looks where nobody listens, and the mirrors are stopped; the network itself is not
touched.
"""

import time
from typing import Any

from infra import control
from infra.local import mirror
from schemas.control import Ownership
from tests.drills.check.findings import Findings, Report, report
from tests.drills.harness.failing import Failing
from tests.drills.harness.region import Region
from tests.drills.harness.scene import Ground
from tests.drills.harness.waiting import until
from tests.servers.probers import AFTER_S, NOBODY, Prober, Probers, probing

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
    with ground.two(partitions=partitions) as two:
        play, findings = Failing(two, rate, users), Findings()
        east, west = play.east, play.west
        settings = {name: region.settings for name, region in two.regions.items()}
        figures: dict[str, Any] = {"promotes_after_s": AFTER_S, "cut_s": cut_s}
        try:
            with probing(settings, west.home.root) as probers:
                _cut_link(play, probers, cut_s, findings)
                _cut_outside(play, probers, cut_s, findings)
                outside = probers.start("outside", automatic=True)
                until("the outside hears the east", lambda: outside.hears("east", "kafka"))
                lost = play.fail(east)
                until("the west owns the east", lambda: _holds(west).owner == west.name)
                figures["told"] = _told(outside)
            epoch = play.take_over(west, east.name)  # done already; its people move
            play.come_back(east, epoch, lost)
        finally:
            play.close()
        findings.take(two.verdict())
        play.judge(findings)
        figures = {**play.figures, **two.figures, **figures, "events": two.acked()}
        return report("detection", findings, figures)


def _cut_link(play: Failing, probers: Probers, cut_s: float, findings: Findings) -> None:
    """Neither region hears the other; the outside hears both."""
    both = (play.east, play.west)
    for region in both:
        region.stop(mirror.NAME)
    inside = probers.start("west", east=NOBODY)
    probers.start("outside", automatic=True)
    _nobody_moves(play, inside, cut_s, findings, "a cut link")
    for region in both:
        region.start(mirror.NAME)


def _cut_outside(play: Failing, probers: Probers, cut_s: float, findings: Findings) -> None:
    """The outside does not reach the east, the west does."""
    probers.start("west")
    outside = probers.start("outside", automatic=True, east=NOBODY)
    _nobody_moves(play, outside, cut_s, findings, "an asymmetric cut")


def _nobody_moves(play: Failing, deaf: Prober, cut_s: float, findings: Findings, cut: str) -> None:
    """However long one of the two does not hear the east: it goes on serving, and owns itself."""
    before = _holds(play.west)
    until(f"{cut} lasts", lambda: deaf.silent_s("east") > cut_s)
    began_s = time.monotonic()
    play.everybody_is_served(play.east, began_s, play.east.name)
    findings.looked("cuts in which nobody may be promoted")
    if _holds(play.west) != before:
        findings.add("promotions in a cut", f"{cut}: {_holds(play.west)}")


def _holds(region: Region) -> Ownership:
    return control.ownerships(region.settings).origins["east"]


def _told(outside: Prober) -> list[str]:
    lines = outside.worker.log.read_text().splitlines()
    return [line for line in lines if "WARNING" in line or "ERROR" in line]
