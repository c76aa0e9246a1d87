"""What has crossed from one region to the other, and how long that takes again behind a fault."""

import time
from collections.abc import Callable

from infra.failover.mirrored import last_behind, mirrored_to
from schemas.topics import USER_EVENTS
from tests.drills.harness.region import Region
from tests.drills.harness.two import Two
from tests.drills.harness.waiting import until


def crossed(region: Region) -> dict[int, int]:
    """How far the peer's events have come, in its own offsets."""
    return mirrored_to(region.settings, region.peer, USER_EVENTS)


def again(two: Two, heal: Callable[[], object]) -> dict[str, float]:
    """Seconds from the healing until something crosses from the east to the west again, and until
    all did that was there.
    """
    east, west = two.regions.values()
    wanted = last_behind(east.settings, USER_EVENTS.name)
    before, began_s = crossed(west), time.monotonic()
    heal()
    until("something crosses", lambda: crossed(west) != before)
    first_s = time.monotonic() - began_s
    until(
        "all crosses",
        lambda: all(crossed(west)[number] >= end for number, end in wanted.items()),
    )
    return {"first_s": round(first_s, 1), "all_s": round(time.monotonic() - began_s, 1)}
