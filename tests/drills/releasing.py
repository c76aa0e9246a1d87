"""A region dies as it announces a new version of the model; the one that takes over lacks it still,
and has not even heard of it, or serves it already.

Whoever takes over goes on with what it serves itself, and is given the version then; the dead one
returns with what it announced, hears what the other says, and is told once more.
"""

import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from infra import control
from infra.local import mirror
from schemas.control import Served
from schemas.serving import MODEL
from tests.drills.check.findings import Findings, Report
from tests.drills.check.versions import check_versions, served, slates
from tests.drills.harness.failing import Failing
from tests.drills.harness.played import played
from tests.drills.harness.region import Region
from tests.drills.harness.scene import Ground
from tests.drills.harness.waiting import until

SHORT = {
    "rate": 20.0, "users": 60, "partitions": 2, "steady_s": 3.0, "survivor": ("lacks",),
}  # fmt: skip


def run(
    ground: Ground,
    *,
    rate: float = 60.0,
    users: int = 200,
    partitions: int = 4,
    steady_s: float = 10.0,
    survivor: tuple[str, ...] = ("lacks", "has"),
) -> Report:
    """`survivor`: what becomes of the new version in the region that takes over, one failover and
    failback after the other.
    """

    def story(play: Failing, findings: Findings) -> Mapping[str, Any]:
        figures: dict[str, Any] = {}
        for each in survivor:
            time.sleep(steady_s)
            figures[each] = _released(play, findings, has=each == "has")
        play.two.settle()
        regions = play.two.regions.values()
        versions = served(region.bootstrap for region in regions)
        return {**figures, "slates": {
            region.name: check_versions(
                region.name, slates(region.bootstrap, play.two.partitions), versions, findings
            )
            for region in regions
        }}  # fmt: skip

    return played(
        "releasing", ground, story, rate=rate, users=users, partitions=partitions, full=True
    )


def _released(play: Failing, findings: Findings, *, has: bool) -> Mapping[str, Any]:
    # Torch comes with it, which is slow to import.
    from tests.drills.harness import models  # noqa: PLC0415

    east, west = play.east, play.west
    written = models.another(east)
    if has:
        models.announce(west, written)
        _serves(play, west, written)
    else:
        west.pause(mirror.NAME)  # it will hear of nothing
    models.announce(east, written)
    lost = play.fail(east)
    heard = _served(west, east)
    if not has:
        west.resume(mirror.NAME)
        if heard is None or heard.version == written.name:
            findings.add("releases that were not interrupted", str(heard))
    epoch = play.take_over(west, east.name)
    if not has:
        models.announce(west, written)
    _serves(play, west, written)
    play.come_back(east, epoch, lost)
    play.judge(findings)
    until("the east hears what the west serves", partial(_knows, east, west, written))
    models.announce(east, written)
    for region in (east, west):
        for other in (east, west):
            until(f"{region.name} knows of {other.name}", partial(_knows, region, other, written))
    findings.looked("releases that a death interrupted")
    play.fail_back(east)
    _serves(play, east, written)
    return {**play.figures, "version": written.name, "heard_by_survivor": heard}


def _knows(region: Region, other: Region, written: Path) -> bool:
    """Whether a region knows that another serves this version."""
    known = _served(region, other)
    return known is not None and known.version == written.name


def _served(region: Region, other: Region) -> Served | None:
    return control.releases(region.settings).served(MODEL, other.name)


def _serves(play: Failing, region: Region, written: Path) -> None:
    """Returns when people have slates of this version from this region."""

    def is_named() -> bool:
        made = slates(region.bootstrap, play.two.partitions)
        return any(one.model is not None and one.model.version == written.name for one in made)

    until(f"slates of version {written.name} by {region.name}", is_named)
