"""Which records of a topic are settled, kept as one commit of a consumer group a partition.

The committed offset is how far somebody has looked; the commit's metadata are the stretches below
it that are still open, as `3-7,9`. Records that are not there (marks of transactions, what
retention removed) are in a stretch or not, it does not matter. Pure; `infra.dead_letters` reads
and writes the commits.
"""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass

METADATA_BYTES = 4096
"""What a broker takes by default (offset.metadata.max.bytes)."""
_DIGITS = 20


@dataclass(frozen=True)
class Settled:
    """Of one partition. `open` are (first, last) offsets, ascending, all below `end`."""

    end: int = 0
    open: tuple[tuple[int, int], ...] = ()

    def __contains__(self, offset: int) -> bool:
        if offset >= self.end:
            return False
        place = bisect_right(self.open, (offset, 2**63)) - 1
        return place < 0 or offset > self.open[place][1]

    @property
    def metadata(self) -> str:
        return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in self.open)


def read(offset: int, metadata: str) -> Settled:
    """From a commit; nothing is settled where there is none or its metadata are not of ours."""
    stretches = []
    try:
        for part in filter(None, metadata.split(",")):
            first, _, last = part.partition("-")
            stretches.append((int(first), int(last or first)))
    except ValueError:
        return Settled()
    return Settled(max(0, offset), tuple(stretches)) if offset > 0 else Settled()


def looked_at(before: Settled, records: Iterable[tuple[int, bool]]) -> Settled:
    """After a look at every record of the partition: (offset, whether it is open), ascending.

    Where the open stretches are too many for the metadata, the end is set back: what lies behind
    it will be looked at as if it were new.
    """
    stretches: list[tuple[int, int]] = []
    end, goes_on, size = before.end, False, 0
    for offset, is_open in records:
        if is_open and goes_on:
            stretches[-1] = stretches[-1][0], offset
        elif is_open:
            size += 2 * _DIGITS
            if size > METADATA_BYTES:
                return Settled(offset, tuple(stretches))
            stretches.append((offset, offset))
        goes_on = is_open
        end = max(end, offset + 1)
    return Settled(end, tuple(stretches))
