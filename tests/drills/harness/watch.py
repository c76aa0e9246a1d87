"""Throughput and lag of two regions over a drill, once a second: what the picture shows."""

import logging
import threading
import time
from collections.abc import Callable, Mapping

import msgspec
from confluent_kafka import KafkaException

from infra.broker import BrokerError
from infra.lag import behind
from streams.lane.errors import LaneError
from streams.topology import RECOMMEND
from tests.drills.harness.app import App
from tests.drills.harness.region import Region

log = logging.getLogger(__name__)

EVERY_S = 1.0
_ASK_S = 2.0
"""Asking for the lag costs."""


class Curves(msgspec.Struct):
    """Seconds since the drill's load began, and beside each the figures of that moment; None where
    a region did not answer.
    """

    at_s: list[float] = []
    sent: list[float] = []
    """Events a second that brokers acknowledged."""
    given: dict[str, list[float]] = {}
    """Slates a second that the reader in each region was given."""
    lag: dict[str, list[int | None]] = {}
    """Records, own and mirrored, that each region has still to process."""
    marks: dict[str, float] = {}
    """What happened -> when."""


class Watch:
    def __init__(
        self,
        regions: Mapping[str, Region],
        apps: Mapping[str, App],
        sent: Callable[[], int],
        *,
        looks: bool,
    ) -> None:
        """Not `looks`: only what is marked is kept; looking costs."""
        self.curves = Curves(given={n: [] for n in regions}, lag={n: [] for n in regions})
        self._regions, self._apps, self._sent = regions, apps, sent
        self._lag: dict[str, int | None] = dict.fromkeys(regions)
        self._began_s = time.monotonic()
        self._ending = threading.Event()
        self._threads = [
            threading.Thread(target=self._sample, name="watch", daemon=True),
            *(
                threading.Thread(target=self._ask, args=(region,), name="lag", daemon=True)
                for region in regions.values()
            ),
        ]
        if not looks:
            self._threads = []
        for thread in self._threads:
            thread.start()

    def mark(self, what: str) -> float:
        """It happens now, by the monotonic clock."""
        now = time.monotonic()
        self.curves.marks[what] = round(now - self._began_s, 2)
        log.info("%s", what)
        return now

    def stop(self) -> None:
        self._ending.set()
        for thread in self._threads:
            thread.join()

    def _sample(self) -> None:
        sent, given = self._sent(), {name: len(app.given) for name, app in self._apps.items()}
        at_s = time.monotonic()
        while not self._ending.wait(EVERY_S):
            now = time.monotonic()
            passed_s, at_s = now - at_s, now
            before, sent = sent, self._sent()
            curves = self.curves
            curves.at_s.append(round(now - self._began_s, 2))
            curves.sent.append(round((sent - before) / passed_s, 1))
            for name, app in self._apps.items():
                more = len(app.given) - given[name]
                given[name] += more
                curves.given[name].append(round(more / passed_s, 1))
                is_dead = self._regions[name].is_dead
                curves.lag[name].append(None if is_dead else self._lag[name])

    def _ask(self, region: Region) -> None:
        while not self._ending.wait(_ASK_S):
            if region.is_dead:
                self._lag[region.name] = None
                continue
            try:
                self._lag[region.name] = behind(RECOMMEND, region.settings)
            except (BrokerError, KafkaException, LaneError, TimeoutError, AssertionError, KeyError):
                self._lag[region.name] = None  # it is dead, or just starting
