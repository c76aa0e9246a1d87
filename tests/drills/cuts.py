"""The link between the regions loses what is sent into it: all, then what comes from one side, then
only what the west asks the east; each for a minute, under load. Nobody is told, connections stay.

Each region goes on serving its own, and all that was kept back crosses when the link is whole.
"""

import time
from collections.abc import Callable
from typing import Any

from tests.drills.check.findings import Findings, Report, report
from tests.drills.harness.crossing import again, crossed
from tests.drills.harness.cutting import cutting
from tests.drills.harness.failing import Failing
from tests.drills.harness.region import Region
from tests.drills.harness.scene import Ground
from tests.drills.harness.waiting import until

SHORT = {"rate": 40.0, "users": 60, "partitions": 2, "cut_s": 8.0}


def run(
    ground: Ground,
    *,
    rate: float = 200.0,
    users: int = 300,
    partitions: int = 8,
    cut_s: float = 60.0,
) -> Report:
    """`cut_s`: longer than a Kafka client waits for an answer (30 s), so that it asks anew."""
    with ground.two(partitions=partitions, apart=True) as two:
        play, findings, cuts = Failing(two, rate, users), Findings(), cutting(two)
        east, west = play.east, play.west
        figures: dict[str, Any] = {"cut_by": cuts.by, "cut_s": cut_s}
        ways: dict[str, tuple[Callable[[str, str], None], tuple[Region, ...]]] = {
            "both_ways": (cuts.cut, (west, east)),
            "one_way": (cuts.lose, (west, east)),  # without acknowledgements nothing passes
            "asking": (cuts.deafen, (west,)),
        }
        """Name -> what is cut from the west to the east, and whom that makes deaf."""
        try:
            for name, (cut, deaf) in ways.items():
                began_s = play.watch.mark(name)
                cut(west.name, east.name)
                time.sleep(cut_s / 2)  # what was on its way arrives
                before = {region.name: crossed(region) for region in (east, west)}
                time.sleep(cut_s / 2)
                for region in (east, west):
                    play.everybody_is_served(region, began_s + cut_s / 4, region.name)
                    findings.looked("regions that served while cut off")
                    if region in deaf and crossed(region) != before[region.name]:
                        findings.add("cuts that were none", f"{name}: {region.name} hears")
                    if region not in deaf:
                        _still_hears(region, before[region.name])
                figures[name] = again(two, lambda: cuts.heal(west.name, east.name))
        finally:
            play.close()
        findings.take(two.verdict())
        return report("cuts", findings, {**figures, **two.figures, "events": two.acked()})


def _still_hears(region: Region, before: dict[int, int]) -> None:
    until(f"{region.name} hears its peer", lambda: crossed(region) != before)
