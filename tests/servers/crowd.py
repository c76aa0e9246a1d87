"""People who ask for slates all the while, for tests of what happens to their asks."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count, cycle

from confluent_kafka import Producer

from schemas.topics import USER_EVENTS
from tests.servers.workers import DEADLINE_S, event

USERS = [f"user-{number}" for number in range(400)]
ITEMS = 40
RATE = 60
"""Asks a second."""


class Crowd:
    """People who ask; remembers each one's newest ask."""

    def __init__(self, bootstrap: str) -> None:
        config = {"bootstrap.servers": bootstrap, "linger.ms": 0}
        self._producer = Producer({**config, "partitioner": "murmur2_random"})
        self._ids = count()
        self._turn = cycle(USERS)
        self.newest: dict[str, str] = {}
        self.asked = 0

    def ask(self, user: str, **fields: object) -> None:
        # Of asks that were appended at one time the larger id counts as the newer.
        event_id = f"ask-{next(self._ids):06}"
        value = event(event_id, user, **{"kind": "request", "item_id": None, **fields})
        self._producer.produce(USER_EVENTS.name, value, user)
        self.newest[user] = event_id
        self.asked += 1

    def click(self) -> None:
        """All of them, so that the model knows something of each."""
        for number, user in enumerate(USERS):
            self.ask(user, kind="click", item_id=f"i{number % ITEMS}")
        self.flush()

    def flush(self) -> None:
        assert self._producer.flush(DEADLINE_S) == 0

    @contextmanager
    def asking(self) -> Iterator[None]:
        """One after the other, all the while."""
        stopping = threading.Event()

        def ask() -> None:
            while not stopping.wait(1 / RATE):
                self.ask(next(self._turn))
                self._producer.poll(0)

        asking = threading.Thread(target=ask)
        asking.start()
        try:
            yield
        finally:
            stopping.set()
            asking.join()
            self.flush()
