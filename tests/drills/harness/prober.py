"""How much a region would lose now: its ends, as they were last seen, against what was mirrored.

Runs outside of both regions, so it remembers what it saw of one that is dead. The arithmetic is
`streams.region.promotion.foretold`'s, the mirror's position what the commands read.
"""

import threading
import time
from collections import deque
from typing import NamedTuple

from confluent_kafka import KafkaException

from infra.failover.mirrored import mirrored_to
from schemas.topics import USER_EVENTS
from streams.region.detection import rates
from streams.region.promotion import foretold
from tests.drills.check import logs
from tests.drills.harness.region import Region

EVERY_S = 0.2
_ANSWER_S = 2.0
_RATE_OVER = 10
"""Samples, over which the rate of a partition is taken."""


class Sample(NamedTuple):
    at_s: float
    ends: dict[int, int]


class Prober:
    """Of one region; started when it is made."""

    def __init__(self, region: Region) -> None:
        self._region = region
        self._samples: deque[Sample] = deque(maxlen=_RATE_OVER)
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="prober", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._ending.set()
        self._thread.join()

    @property
    def is_sure(self) -> bool:
        """Whether there are samples enough to tell a rate."""
        return len(self._samples) == _RATE_OVER

    def foretell(self, target: Region, died_at_s: float) -> tuple[dict[int, int], float]:
        """Partition -> events that may be lost if the region died then; the age of what is known
        in seconds.
        """
        samples = list(self._samples)
        first, last = samples[0], samples[-1]
        passed_s = max(EVERY_S, last.at_s - first.at_s)
        rate = rates(first.ends, last.ends, passed_s)
        age_s = max(0.0, died_at_s - last.at_s)
        mirrored = mirrored_to(target.settings, self._region.name, USER_EVENTS)
        return foretold(last.ends, mirrored, rate, age_s), age_s

    def _watch(self) -> None:
        while not self._ending.wait(EVERY_S):
            # Before it asks: what it is told is no older than this.
            at_s = time.monotonic()
            try:
                admin = logs.administrator(self._region.bootstrap)
                partitions = self._region.settings.partitions
                ends = logs.ends(admin, USER_EVENTS.name, partitions, answer_s=_ANSWER_S)
            except KafkaException:
                continue
            self._samples.append(Sample(at_s, ends))
