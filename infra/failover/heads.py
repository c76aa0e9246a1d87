"""What each cluster says of an origin, and what holds when all of it is put together.

Own and mirrored copies are read to their ends in every cluster that answers: a record that the
mirror has not brought yet must not be promoted over. Called by the commands of this package.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from infra import control
from infra.failover.reach import Reach
from schemas.codec import RefusedError
from schemas.control import Ownership
from schemas.topics import REGION_OWNERSHIP
from streams.region.copies import Copy
from streams.region.ownership import Ownerships
from streams.settings import Settings


@dataclass(frozen=True)
class Heads:
    """`current` is the record that holds; `by_region` what each cluster that answered knows, None
    where it has no valid record. `since_ms`: when the current epoch was written, or handed over
    where only that record is left.
    """

    current: Ownership | None
    by_region: Mapping[str, Ownership | None]
    since_ms: int = 0

    def epoch(self, region: str) -> int | None:
        """None: it cannot be asked, or knows nothing of the origin."""
        head = self.by_region.get(region)
        return None if head is None else head.epoch


def heads(reach: Reach, origin: str) -> Heads:
    """Raises BrokerError where the cluster of the command's own region does not answer."""
    found = {reach.region: _copies(reach.here)}
    for region in reach.here.peers:
        if (copies := reach.asked(region, _copies)) is not None:
            found[region] = copies
    together = [copy for copies in found.values() for copy in copies]
    current = _applied(together).current(origin)
    return Heads(
        current,
        {region: _applied(copies).current(origin) for region, copies in found.items()},
        min(_times_ms(together, current), default=0),
    )


def _times_ms(copies: list[Copy], current: Ownership | None) -> Iterator[int]:
    """Of the records of the current epoch."""
    for copy in copies:
        one = None if current is None else _applied([copy]).current(current.origin)
        if current is not None and one is not None and one.epoch == current.epoch:
            yield copy.timestamp_ms


def _copies(settings: Settings) -> list[Copy]:
    return list(control.read(settings, REGION_OWNERSHIP))


def _applied(copies: list[Copy]) -> Ownerships:
    known = Ownerships()
    for copy in copies:
        try:
            known.apply(copy)
        except RefusedError:
            continue
    return known
