"""How much a region would lose now: its ends, as they were last seen, against what was mirrored.

Runs outside of both regions, so it remembers what it saw of one that is dead: by the looks and the
memory of `infra.probing`. The arithmetic is `streams.region.promotion.foretold`'s, the mirror's
position what the commands read.
"""

import threading
import time

import msgspec

from infra.failover.mirrored import mirrored_to
from infra.probing import looking
from infra.probing.seen import Seen
from infra.probing.watch import EVERY_S, OUTSIDE
from schemas.topics import USER_EVENTS
from streams.region.promotion import foretold
from tests.drills.harness.region import Region


class Foretold(msgspec.Struct, frozen=True):
    """By partition: `records` that may be lost, and what that was told by."""

    records: dict[int, int]
    age_s: float
    rates: dict[int, float]
    ends: dict[int, int]
    mirrored_to: dict[int, int]


class Prober:
    """Of one region; started when it is made."""

    def __init__(self, region: Region) -> None:
        self._region = region
        self._seen = Seen(OUTSIDE, ("kafka",), time.monotonic())
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="prober", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._ending.set()
        self._thread.join()

    @property
    def is_sure(self) -> bool:
        """Whether there are samples enough to tell a rate."""
        sample = self._seen.sample
        return sample is not None and bool(sample.rates)

    def foretell(self, target: Region, died_at_s: float) -> Foretold:
        """What may be lost if the region died then."""
        sample = self._seen.sample
        assert sample is not None, "look at `is_sure` first"
        age_s = max(0.0, died_at_s - sample.at_s)
        mirrored = mirrored_to(target.settings, self._region.name, USER_EVENTS)
        return Foretold(
            records=foretold(sample.ends, mirrored, sample.rates, age_s),
            age_s=round(age_s, 2),
            rates={partition: round(rate, 1) for partition, rate in sample.rates.items()},
            ends=sample.ends,
            mirrored_to=mirrored,
        )

    def _watch(self) -> None:
        partitions = self._region.settings.partitions
        logs = [(USER_EVENTS.name, number) for number in range(partitions)]
        while not self._ending.wait(EVERY_S):
            # Before it asks: what it is told is no older than this.
            at_s = time.monotonic()
            found = looking.ends(self._region.bootstrap, logs)
            if found is not None and len(found) == partitions:
                self._seen.sampled(at_s, {partition: end for (_, partition), end in found.items()})
