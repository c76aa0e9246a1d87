"""What `tidemill region status` says of a standby, as a person in its region asks."""

from typing import Any

from tests.drills.harness.commands import region_command
from tests.drills.harness.region import Region


def status(region: Region) -> Any:
    """Of the peer's origin."""
    found = region_command(region, "status")
    (mine,) = (one for one in found if one["region"] == region.name)
    assert mine["problem"] is None, mine["problem"]
    (origin,) = (one for one in mine["origins"] if one["origin"] == region.peer)
    return origin


def against(region: Region, about: str) -> str:
    """What speaks against it; empty where nothing does."""
    said = (one["says"] for one in status(region)["reasons"] if one["about"] == about)
    return "; ".join(said)
