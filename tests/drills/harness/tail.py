"""The lost tail: what a dead region had acknowledged and its mirror had not yet carried over."""

import time
from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from typing import NamedTuple

from schemas.topics import USER_EVENTS
from tests.drills.check import logs
from tests.drills.check.inputs import Feed
from tests.drills.check.logs import Logs
from tests.drills.harness.load import Load
from tests.drills.harness.region import Region
from tests.drills.harness.two import Two
from tests.drills.harness.waiting import until

_QUIET_S = 2.0


class Lost(NamedTuple):
    partition: int
    event_id: str


def settled(target: Region) -> None:
    """Returns when nothing more comes from the dead source."""
    topic, partitions = target.copy_of(USER_EVENTS), target.settings.partitions
    seen: list[dict[int, int]] = [{}]
    since = [time.monotonic()]

    def is_quiet() -> bool:
        ends = logs.ends(logs.administrator(target.bootstrap), topic, partitions)
        if ends != seen[0]:
            seen[0], since[0] = ends, time.monotonic()
        return time.monotonic() - since[0] > _QUIET_S

    until(f"nothing more comes to {topic}", is_quiet)


def lost(two: Two, target: Region, loads: Iterable[Load]) -> list[Lost]:
    """Acknowledged at the source, and not here."""
    here = set(_ids(two, target, target.copy_of(USER_EVENTS)))
    return sorted(
        Lost(partition, event_id)
        for load in loads
        for number, partition in load.landed.items()
        if (event_id := f"{load.name_}-{number}") not in here
    )


def found(tail: Iterable[Lost], partitions: int) -> dict[int, int]:
    """Partition -> events."""
    counts = Counter(one.partition for one in tail)
    return {number: counts[number] for number in range(partitions)}


def is_here(two: Two, target: Region, tail: Iterable[Lost]) -> bool:
    """Whether all of it has arrived after all."""
    return {one.event_id for one in tail} <= set(_ids(two, target, target.copy_of(USER_EVENTS)))


def _ids(two: Two, region: Region, topic: str) -> Iterable[str]:
    inputs = two.inputs[region.name]
    with closing(Logs(region.bootstrap)) as reader:
        for number in range(two.partitions):
            for read in inputs.read(reader, Feed(topic, region.peer), number, ""):
                if read.event is not None:
                    yield read.event.event_id
