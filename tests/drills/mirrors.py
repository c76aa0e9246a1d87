"""The mirrors fail and the regions do not: one is killed, one sleeps past its transaction, and then
none mirrors for a minute (all that regions see of a cut link). Each goes on serving its own.

The link is cut by SIGSTOP of both MirrorMakers, whose connections stay; `cuts` cuts the network.
"""

import time
from contextlib import suppress
from typing import Any

from infra.local import mirror
from tests.drills.check.findings import Findings, Report, report
from tests.drills.harness.commands import RefusedError, region_command
from tests.drills.harness.crossing import again, crossed
from tests.drills.harness.failing import Failing
from tests.drills.harness.region import Region
from tests.drills.harness.scene import Ground

SHORT = {"rate": 40.0, "users": 60, "partitions": 2, "away_s": 25.0, "cut_s": 8.0}


def run(
    ground: Ground,
    *,
    rate: float = 200.0,
    users: int = 300,
    partitions: int = 8,
    away_s: float = 30.0,
    cut_s: float = 60.0,
) -> Report:
    """`away_s`: how long a mirror sleeps; its transaction may last 10 s, and the broker looks every
    10 s for what lasts longer.
    """
    with ground.two(partitions=partitions) as two:
        play, findings = Failing(two, rate, users), Findings()
        west, both = play.west, tuple(two.regions.values())
        figures: dict[str, Any] = {"cut_by": "SIGSTOP of both MirrorMakers"}
        try:
            west.kill(mirror.NAME)
            time.sleep(1)  # so there is something that has not crossed
            figures["killed"] = again(two, lambda: west.start(mirror.NAME))
            west.pause(mirror.NAME)  # the west is deaf, the east is not
            time.sleep(away_s)
            _must_refuse(west, findings)
            figures["slept"] = again(two, lambda: west.resume(mirror.NAME))
            for region in both:
                region.pause(mirror.NAME)
            began_s = time.monotonic()
            time.sleep(cut_s / 2)
            before = [crossed(region) for region in both]
            time.sleep(cut_s / 2)
            if [crossed(region) for region in both] != before:
                findings.add("cuts that were none", "records crossed")
            for region in both:  # it serves its own, cut off from everyone
                play.everybody_is_served(region, began_s + cut_s / 4, region.name)
                findings.looked("regions that served while cut off")
            figures["cut"] = again(two, lambda: [region.resume(mirror.NAME) for region in both])
        finally:
            play.close()
        findings.take(two.verdict())
        return report("mirrors", findings, {**figures, **two.figures, "events": two.acked()})


def _must_refuse(region: Region, findings: Findings) -> None:
    """Its peer lives, whatever the mirror brings."""
    findings.looked("promotions of an origin whose owner lives")
    with suppress(RefusedError):
        region_command(region, "promote", region.peer)
        findings.add("promotions of an origin whose owner lives", region.peer)
