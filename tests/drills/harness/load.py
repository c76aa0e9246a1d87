"""Open-loop load: events at a rate that does not care how the workers are, each remembered.

What the broker acknowledged must have its effect, whatever dies. Misplaced events, events sent
again at once and poison are part of it, because they are part of any shop's stream.
"""

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec
from confluent_kafka import KafkaError, Message, Producer

from schemas.codec import schema_header
from schemas.topics import USER_EVENTS

DELIVERY_S = 300.0
"""A broker may be away for long; an event that was offered is not given up before."""
_TICK_S = 0.01
_FLUSHED_S = 320.0

KINDS = {
    "view": 26, "click": 30, "cart": 7, "uncart": 2, "purchase": 5, "rating": 4, "hide": 3,
    "unhide": 1, "impression": 6, "search": 4, "chat": 2, "request": 3, "follow": 3, "unfollow": 1,
    "erase": 1,
}  # fmt: skip
"""Kind -> its weight."""
POISON: tuple[bytes | None, ...] = (
    None,
    b"",
    b"{",
    b"\xff\xfe",
    b"[]",
    b'{"kind":"click"}',
    b'{"kind":"teleport","event_id":"e","user_id":"u","at_ms":1790000000000}',
    b'{"kind":"click","event_id":"e","user_id":"u","item_id":"i","at_ms":1790000000}',
    b'{"kind":"click","event_id":"e","user_id":"u","item_id":"i","at_ms":-1}',
    b'{"kind":"click","event_id":"e","user_id":"","item_id":"i","at_ms":1790000000000}',
    b'{"kind":"click","context":' + b"[" * 3000 + b"]" * 3000 + b"}",
)


@dataclass(frozen=True)
class Mixture:
    """What the events are like. Shares are of all events."""

    users: int = 200
    items: int = 60
    misplaced: float = 0.01
    """In the partition of somebody else."""
    again: float = 0.01
    """Sent again at once, as an app does that lost the acknowledgement."""
    poison: float = 0.002
    late_ms: int = 600_000
    """Some are so much older than their arrival at the most."""
    prefix: str = "user"

    def user(self, number: int) -> str:
        return f"{self.prefix}-{number}"


@dataclass(eq=False)
class Load(threading.Thread):
    """Started by `start`, ended by `finish`, which returns when the broker has all."""

    bootstrap: str
    name_: str
    rate: float
    """Events a second."""
    mixture: Mixture = field(default_factory=Mixture)
    seed: int = 0
    topic: str = USER_EVENTS.name
    partitions: int = 8
    limit: int | None = None
    """Events, then it ends by itself."""
    stamped: bool = False
    """Give each its append time, as a mirror does."""
    before: "Load | None" = None
    """What this one's people used until now, and abandoned: what it did not get an acknowledgement
    for is sent again here, under the same ids.
    """

    def __post_init__(self) -> None:
        super().__init__(name=f"load-{self.name_}", daemon=True)
        self.acknowledged = bytearray()
        """For each event, whether the broker has it."""
        self.landed: dict[int, int] = {}
        """Of those that it has, the partition."""
        self.failed: list[KafkaError] = []
        self.unsure: list[tuple[int, str, bytes]] = []
        """(number, user, value) of each that the broker may have or not."""
        self._random = random.Random(self.seed)
        self._ending = threading.Event()
        self._producer = Producer(
            {
                "bootstrap.servers": self.bootstrap,
                "enable.idempotence": True,
                "message.timeout.ms": int(DELIVERY_S * 1000),
                "partitioner": "murmur2_random",
                "linger.ms": 5,
                "queue.buffering.max.messages": 1_000_000,
                "reconnect.backoff.max.ms": 500,
                "log_level": 2,
            }
        )
        self._kinds = [*KINDS]
        self._weights = [*KINDS.values()]

    @property
    def sent(self) -> int:
        return len(self.acknowledged)

    @property
    def acked(self) -> int:
        return sum(self.acknowledged)

    def run(self) -> None:
        for number, user_id, value in self.before.unsure if self.before is not None else ():
            self._offer(value, user_id, self._told(self.before, number, user_id, value))
        began = time.monotonic()
        while not self._ending.is_set():
            due = int((time.monotonic() - began) * self.rate) + 1
            if self.limit is not None:
                due = min(due, self.limit)
            while self.sent < due:
                self._send()
            self._producer.poll(0)
            if self.limit is not None and self.sent >= self.limit:
                break
            time.sleep(_TICK_S)
        self._producer.flush(_FLUSHED_S)

    def finish(self) -> None:
        self._ending.set()
        self.join()
        assert not self.failed, f"{len(self.failed)} events were not written: {self.failed[0]}"
        assert self.acked == self.sent

    def abandon(self) -> None:
        """Leave it, whatever the broker has by now."""
        self._ending.set()
        self._producer.purge()
        self.join()

    def probe(self) -> None:
        """A request of each user: its slate shows the state that he has now."""
        for number in range(self.mixture.users):
            self._produce(self.mixture.user(number), kind="request")
        self._producer.flush(_FLUSHED_S)

    def _send(self) -> None:
        random_ = self._random
        if random_.random() < self.mixture.poison:
            self._offer(random_.choice(POISON), f"poison-{random_.random()}", None)
        (kind,) = random_.choices(self._kinds, self._weights)
        self._produce(self.mixture.user(random_.randrange(self.mixture.users)), kind=kind)

    def _produce(self, user_id: str, kind: str) -> None:
        random_ = self._random
        number = self.sent
        self.acknowledged.append(0)
        late_ms = random_.randrange(self.mixture.late_ms) if random_.random() < 0.05 else 0
        event: dict[str, Any] = {
            "event_id": f"{self.name_}-{number}",
            "user_id": user_id,
            "kind": kind,
            "at_ms": time.time_ns() // 1_000_000 - late_ms,
            **_fields(kind, random_, self.mixture),
        }
        if random_.random() < 0.2:
            event["surface"] = "cart"
        value = msgspec.json.encode(event)
        on_delivery = self._told(self, number, user_id, value)
        misplaced = random_.random() < self.mixture.misplaced
        partition = random_.randrange(self.partitions) if misplaced else None
        self._offer(value, user_id, on_delivery, partition)
        # A misplaced one arrives when a worker has forwarded it, which may be long after.
        if not misplaced and random_.random() < self.mixture.again:
            self._offer(value, user_id, None)

    def _told(
        self, whose: "Load", number: int, user_id: str, value: bytes
    ) -> Callable[[KafkaError | None, Message], None]:
        """What is to be done when the broker has it, or nobody knows whether it has."""

        def on_delivery(error: KafkaError | None, message: Message) -> None:
            if error is None:
                whose.acknowledged[number] = 1
                whose.landed.setdefault(number, message.partition())
            else:
                self.failed.append(error)
                self.unsure.append((number, user_id, value))

        return on_delivery

    def _offer(
        self,
        value: bytes | None,
        key: str,
        on_delivery: Callable[[KafkaError | None, Message], None] | None,
        partition: int | None = None,
    ) -> None:
        more: dict[str, Any] = {} if partition is None else {"partition": partition}
        if self.stamped:
            more["timestamp"] = time.time_ns() // 1_000_000
        headers = [schema_header("user-event")]
        while True:
            try:
                self._producer.produce(
                    self.topic, value, key, headers=headers, on_delivery=on_delivery, **more
                )
            except BufferError:  # the broker is away for long
                self._producer.poll(0.1)
            else:
                return


def _fields(kind: str, random_: random.Random, mixture: Mixture) -> dict[str, Any]:
    """What a kind has besides."""
    if kind in ("follow", "unfollow"):
        return {"followed_user_id": mixture.user(random_.randrange(mixture.users))}
    if kind == "search":
        return {"query": "red shoes"}
    if kind == "chat":
        return {"text": "what goes with this?"}
    if kind in ("request", "erase"):
        return {}
    fields: dict[str, Any] = {"item_id": f"i{random_.randrange(mixture.items)}"}
    if kind == "rating":
        fields["value"] = random_.randrange(6)
    if kind == "purchase":
        fields["quantity"] = random_.randrange(1, 4)
    if kind == "impression":
        fields |= {"recommendation_id": "r", "epoch": 16, "position": random_.randrange(10)}
    return fields
