"""A planned switch under load, there and back: nothing is lost, and nobody waits long. The people
go on sending to their region, whoever owns it, and all that they sent is looked for in both.
"""

import time
from typing import Any

from tests.drills.check.findings import Findings, Report, report
from tests.drills.failover import SILENT_BAR_S
from tests.drills.harness.commands import until_done
from tests.drills.harness.failing import Failing
from tests.drills.harness.region import Region
from tests.drills.harness.scene import Ground

SHORT = {"rate": 40.0, "users": 60, "partitions": 2, "steady_s": 3.0, "bars": False}


def run(
    ground: Ground,
    *,
    rate: float = 200.0,
    users: int = 300,
    partitions: int = 8,
    steady_s: float = 20.0,
    bars: bool = True,
) -> Report:
    """`steady_s` between two switches. Not `bars`: silence is told and not judged."""
    with ground.two(partitions=partitions) as two:
        play = Failing(two, rate, users)
        east, west = play.east, play.west
        figures: dict[str, Any] = {}
        try:
            time.sleep(steady_s)
            figures["there"] = _switched(play, west, "promote", "east", "--planned")
            time.sleep(steady_s)
            figures["back"] = _switched(play, east, "failback", "east")
            time.sleep(steady_s)
            for region in (east, west):
                play.everybody_is_served(region, time.monotonic())
        finally:
            play.close()
        findings = two.verdict()
        _judge(figures, findings, bars=bars)
        return report("switch", findings, {**figures, **two.figures, "events": two.acked()})


def _switched(play: Failing, taker: Region, *command: str) -> dict[str, Any]:
    began_s = time.monotonic()
    made, refusals = until_done(taker, *command)
    done_s = time.monotonic()
    play.everybody_is_served(play.east, done_s)
    end_s = time.monotonic()
    return {
        "seconds": round(done_s - began_s, 2),
        "epoch": made["epoch"],
        "steps": made["steps"],
        "refusals": refusals,
        "silent_s": {
            name: app.silent_s(play.two.partitions, began_s, end_s, "east-")
            for name, app in play.two.apps.items()
        },
    }


def _judge(figures: dict[str, Any], findings: Findings, *, bars: bool) -> None:
    for way, made in figures.items():
        findings.looked("switches")
        longest_s = max(made["silent_s"].values())
        if bars and longest_s > SILENT_BAR_S:
            findings.add("partitions silent for too long", f"{way}: {longest_s} s")
