"""What a promotion would lose for a while: the events of the origin that have not crossed.

Foretold from the ends of the source as they were seen last: now, or by a prober while the source
still answered. Where nobody watched it, only how far the mirror has come is known. They are not
gone: they lie in the region that is, and cross when it is back. Called by the commands of this
package.
"""

import time

import msgspec

from infra.failover.mirrored import last_behind, mirrored_to
from infra.failover.reach import Reach
from schemas.topics import USER_EVENTS
from streams.region.promotion import foretold


class Partition(msgspec.Struct, frozen=True, kw_only=True):
    """`end` and `mirrored_to` in offsets of the source. `seen` records are between them; `records`
    may be lost: those, and what came at the rate of the last samples since. None: unknown.
    """

    partition: int
    end: int | None
    mirrored_to: int
    seen: int | None
    records: int | None


class Tail(msgspec.Struct, frozen=True, kw_only=True):
    """`age_s`: how long ago the source was seen; None: it was not."""

    partitions: list[Partition] = []
    age_s: float | None = None


def tail(reach: Reach, origin: str) -> Tail:
    """Raises BrokerError, KafkaException, LaneError."""
    if origin == reach.region:
        return Tail(age_s=0.0)
    # The source first: what crosses between the two looks must not seem to be missing.
    ends, rate, age_s = _ends(reach, origin)
    mirrored = mirrored_to(reach.here, origin, USER_EVENTS)
    seen = foretold(ends, mirrored, {}, 0.0)
    # What came since is not none where nobody knows the rate.
    lost = foretold(ends, mirrored, rate, age_s or 0.0) if rate or not age_s else {}
    partitions = [
        Partition(
            partition=partition,
            end=ends.get(partition),
            mirrored_to=offset,
            seen=seen.get(partition),
            records=lost.get(partition),
        )
        for partition, offset in sorted(mirrored.items())
    ]
    return Tail(partitions=partitions, age_s=age_s)


def _ends(reach: Reach, origin: str) -> tuple[dict[int, int], dict[int, float], float | None]:
    """Where the source ended, its records a second, and how long ago; None where nobody knows."""
    ends = reach.asked(origin, lambda settings: last_behind(settings, USER_EVENTS.name))
    if ends is not None:
        return ends, {}, 0.0
    sample = reach.last_seen(origin)
    if sample is None:
        return {}, {}, None
    return sample.ends, sample.rates, time.monotonic() - sample.at_s
