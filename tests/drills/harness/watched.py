"""What those who watch two regions see and say, in drills in which the east is lost or cut off."""

from infra import control
from infra.probing.watch import OUTSIDE
from schemas.control import Ownership
from tests.drills.harness.region import Region
from tests.drills.harness.waiting import until
from tests.servers.probers import Prober, Probers


def hear(probers: Probers) -> None:
    """Both observers hear each region that they look at, in every way."""
    for observer, region, way in (
        ("west", "east", "kafka"),
        ("west", "east", "mirror"),
        (OUTSIDE, "east", "kafka"),
        (OUTSIDE, "west", "kafka"),
    ):
        until(
            f"{observer} hears the {region} by its {way}",
            lambda who=observer, region=region, way=way: probers[who].hears(region, way),
        )


def holds(region: Region) -> Ownership:
    """What it knows of who owns the east."""
    return control.ownerships(region.settings).origins["east"]


def told(outside: Prober) -> list[str]:
    """What a person would have been told."""
    lines = outside.worker.log.read_text().splitlines()
    return [line for line in lines if "WARNING" in line or "ERROR" in line]
