"""A region is cut off from everybody but its own people, and lives: it goes on serving what it
owned. The outside and the other region both lost it, and the other takes over by itself; for a
while both serve. Then the island is found again, a zombie, and is fenced.
"""

import time
from typing import Any

from infra.probing.watch import OUTSIDE
from tests.drills.check.findings import Findings, Report, report
from tests.drills.harness.cutting import cutting
from tests.drills.harness.failing import Failing
from tests.drills.harness.scene import Ground
from tests.drills.harness.waiting import until
from tests.drills.harness.watched import hear, holds, told
from tests.servers.probers import AFTER_S, probing

SHORT = {"rate": 40.0, "users": 60, "partitions": 2, "island_s": 3.0}


def run(
    ground: Ground,
    *,
    rate: float = 100.0,
    users: int = 200,
    partitions: int = 4,
    island_s: float = 60.0,
) -> Report:
    """`island_s`: for how long two regions own the same people, each by what it knows."""
    with ground.two(partitions=partitions, apart=True) as two:
        play, findings = Failing(two, rate, users), Findings()
        east, west = play.east, play.west
        settings = {name: region.settings for name, region in two.regions.items()}
        figures: dict[str, Any] = {"promotes_after_s": AFTER_S, "island_s": island_s}
        try:
            with probing(settings, west.home.root, two.network) as probers:
                cuts = cutting(two, probers)
                figures["cut_by"] = cuts.by
                probers.start(west.name)
                probers.start(OUTSIDE, automatic=True)
                hear(probers)
                began_s = play.watch.mark("the east is an island")
                for observer in (OUTSIDE, west.name):
                    cuts.cut(observer, east.name)
                until("the west owns the east", lambda: holds(west).owner == west.name)
                owned_s = play.watch.mark("the west owns the east")
                epoch = holds(west).epoch
                figures["promoted_after_s"] = round(owned_s - began_s, 1)
                figures["told"] = told(probers[OUTSIDE])
                # Some of its people find a way to the west; to the rest nothing happened.
                moved = play.people(east, west, rate / 4)
                time.sleep(island_s)
                for region in (east, west):
                    play.everybody_is_served(east, owned_s, region.name)
                    findings.looked("regions that served while both owned the same")
                if holds(east).owner != east.name:
                    findings.add("islands that heard of something", str(holds(east)))
                healed_s = play.watch.mark("the island is found again")
                for observer in (west.name, OUTSIDE):
                    cuts.heal(observer, east.name)
                play.fenced(east, epoch, healed_s)
                hear(probers)
            moved.finish()
            play.move(east, west)
            play.everybody_is_served(east, time.monotonic())
        finally:
            play.close()
        findings.take(two.verdict())
        ended = play.figures["answers_at_an_ended_epoch"]
        findings.looked("answers at an ended epoch", ended)
        if not ended:
            findings.add("islands that did not go on", "each of its answers counts")
        figures = {**play.figures, **two.figures, **figures, "events": two.acked()}
        return report("island", findings, figures)
