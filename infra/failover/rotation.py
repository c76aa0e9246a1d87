"""Whether two regions have compared all their users since a time, and what they found.

A full rotation: each slice of each partition once, by lists of which both were made when their
region had folded nearly all there was. `Rotation` is pure; `read` feeds it from `state-digests`.
Called by `failback`.
"""

import time

from infra.digest_lists import DigestLists
from schemas.control import StateDigest
from streams.region.parity import Parity, both_folded_before
from streams.settings import Settings

LATE_MS = 60_000
"""How far a region may be behind what is appended when it makes a list that counts."""
_ROTATIONS = 2
"""Looked back: one that is under way and the whole one before it."""


class Rotation:
    """Of the regions `one` and `other`, since `since_ms`."""

    def __init__(self, one: str, other: str, partitions: int, slices: int, since_ms: int) -> None:
        self._regions = one, other
        self._since_ms = since_ms
        self._places = {(p, s) for p in range(partitions) for s in range(slices)}
        self._compared: set[tuple[int, int]] = set()
        self._unpaired: dict[tuple[int, int], dict[str, tuple[StateDigest, int]]] = {}
        self._parity = Parity(one, other)

    def add(self, made: StateDigest, published_ms: int) -> None:
        """In the order in which each region published them."""
        place = made.partition, made.slice
        is_of_them = made.region in self._regions and place in self._places
        if not is_of_them or published_ms < self._since_ms:
            return
        pair = self._unpaired.setdefault(place, {})
        pair[made.region] = made, published_ms
        if len(pair) < len(self._regions):
            return
        (one, one_ms), (other, other_ms) = pair.values()
        self._parity.add([one, other])
        before_ms = both_folded_before(one.folded_to, other.folded_to)
        if before_ms >= min(one_ms, other_ms) - LATE_MS:
            self._compared.add(place)
        pair.clear()

    @property
    def missing(self) -> int:
        """Slices of partitions yet to be compared."""
        return len(self._places - self._compared)

    @property
    def users_differing(self) -> int | None:
        """As they were last compared, those whom one region lacks included; None while some slice
        was not compared.
        """
        return None if self.missing else len(self._parity.differing)


def read(settings: Settings, other: str, since_ms: int) -> Rotation:
    """By the lists that lie in this cluster. Raises BrokerError, KafkaException, LaneError."""
    rotation_ms = settings.digest_slices * settings.digest_s * 1000
    from_ms = max(since_ms, int(time.time() * 1000 - _ROTATIONS * rotation_ms - LATE_MS))
    found = Rotation(settings.region, other, settings.partitions, settings.digest_slices, since_ms)
    for made, published_ms in DigestLists(settings, from_ms).new():
        found.add(made, published_ms)
    return found
