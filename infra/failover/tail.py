"""What a promotion would lose for a while: the events of the origin that have not crossed.

Foretold from the ends of the source as they were seen last; where the source cannot be asked now
and nobody watched it, only how far the mirror has come is known. They are not gone: they lie in the
region that is, and cross when it is back. Called by the commands of this package.
"""

import msgspec

from infra.failover.mirrored import last_behind, mirrored_to
from infra.failover.reach import Reach
from schemas.topics import USER_EVENTS
from streams.region.promotion import foretold


class Partition(msgspec.Struct, frozen=True, kw_only=True):
    """`end` and `mirrored_to` in offsets of the source; `records` may be lost; None: unknown."""

    partition: int
    end: int | None
    mirrored_to: int
    records: int | None


class Tail(msgspec.Struct, frozen=True, kw_only=True):
    """`age_s`: how long ago the source was seen; None: it was not."""

    partitions: list[Partition] = []
    age_s: float | None = None

    @property
    def records(self) -> int | None:
        if self.age_s is None:
            return None
        return sum(one.records or 0 for one in self.partitions)


def tail(reach: Reach, origin: str) -> Tail:
    """Raises BrokerError, KafkaException, LaneError."""
    if origin == reach.region:
        return Tail(age_s=0.0)
    # The source first: what crosses between the two looks must not seem to be missing.
    ends = reach.asked(origin, lambda settings: last_behind(settings, USER_EVENTS.name))
    mirrored = mirrored_to(reach.here, origin, USER_EVENTS)
    lost = {} if ends is None else foretold(ends, mirrored, {}, 0.0)
    partitions = [
        Partition(
            partition=partition,
            end=None if ends is None else ends.get(partition, 0),
            mirrored_to=offset,
            records=None if ends is None else lost.get(partition, 0),
        )
        for partition, offset in sorted(mirrored.items())
    ]
    return Tail(partitions=partitions, age_s=None if ends is None else 0.0)
