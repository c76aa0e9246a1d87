"""People whose app sends each ask to both regions, as one does that lost an acknowledgement.

Each clicks in one region; some seconds later, when both know of it, he asks in both, with one id.
Both answer, each for its own origin, under one recommendation id: a reader hands out one of them,
and the checker compares both.
"""

import threading
import time
from collections import deque
from collections.abc import Mapping
from itertools import count

import msgspec
from confluent_kafka import Producer

from schemas.topics import USER_EVENTS
from tests.drills.harness.region import Region

PREFIX = "twin-"
_LATER_S = 2.0
_FLUSHED_S = 120.0


class Twins(threading.Thread):
    """`start` begins, `away` and `back` where a region cannot be asked, `finish` ends."""

    def __init__(self, regions: Mapping[str, Region], rate: float, items: int) -> None:
        super().__init__(name="twins", daemon=True)
        self._rate, self._items = rate, items
        self._producers = [
            Producer(
                {
                    "bootstrap.servers": region.bootstrap,
                    "enable.idempotence": True,
                    "partitioner": "murmur2_random",
                    "linger.ms": 5,
                    "reconnect.backoff.max.ms": 500,
                    "log_level": 0,
                }
            )
            for region in regions.values()
        ]
        self._ending, self._together = threading.Event(), threading.Event()
        self._together.set()
        self.asked = 0

    def away(self) -> None:
        self._together.clear()

    def back(self) -> None:
        self._together.set()

    def finish(self) -> None:
        self._ending.set()
        self._together.set()
        self.join()
        for producer in self._producers:
            left = producer.flush(_FLUSHED_S)
            assert not left, f"{left} asks of twins were not written"

    def run(self) -> None:
        waiting: deque[tuple[float, str]] = deque()
        for number in count():
            if self._ending.wait(1 / self._rate):
                return
            self._together.wait()
            user = f"{PREFIX}{number}"
            producer = self._producers[number % len(self._producers)]
            _send(producer, user, "click", f"i{number % self._items}")
            waiting.append((time.monotonic() + _LATER_S, user))
            while waiting and waiting[0][0] < time.monotonic():
                _, user = waiting.popleft()
                for each in self._producers:
                    _send(each, user, "request", None)
                self.asked += 1
            for each in self._producers:
                each.poll(0)


def _send(producer: Producer, user: str, kind: str, item_id: str | None) -> None:
    event = {
        "event_id": f"{kind}-{user}",
        "user_id": user,
        "kind": kind,
        "at_ms": time.time_ns() // 1_000_000,
    }
    if item_id is not None:
        event["item_id"] = item_id
    producer.produce(USER_EVENTS.name, msgspec.json.encode(event), user)
