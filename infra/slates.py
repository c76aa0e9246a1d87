"""What one user would see: ask as a shop does, wait for the answer, and follow what comes after.

Reads own and mirrored recommendations of the user's partition, read_committed, and takes only
valid ones. Called by `tidemill recommend` and the demo.
"""

import secrets
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Self

from confluent_kafka import KafkaException, Message

from infra import broker, control
from infra.broker import BrokerError, Sender
from schemas.codec import MessageDecoder, RefusedError, encode, schema_header
from schemas.events import Event
from schemas.recommendations import AnswerHeaders, CauseKey, Recommendation
from schemas.topics import RECOMMENDATIONS, USER_EVENTS
from streams.lane import clients
from streams.lane.forwarding import PRODUCER, partition_of
from streams.region.valid import valid
from streams.settings import Settings
from streams.topology import copies

_POLL_S = 0.2


class Slates:
    """The valid recommendations of one user on one surface, from the moment it is made on."""

    def __init__(self, settings: Settings, user_id: str, surface: str) -> None:
        """Raises BrokerError where Kafka or a topic is missing."""
        names = copies(RECOMMENDATIONS, settings.peers)
        broker.require(settings, [USER_EVENTS.name, *names])
        self._settings = settings
        self._user_id, self._surface = user_id, surface
        self._partition = partition_of(user_id, settings.partitions)
        self._ownerships = control.ownerships(settings)
        self._decoder: MessageDecoder[Recommendation] = MessageDecoder("recommendation")
        self._given: set[str] = set()
        self._consumer = broker.reader(settings, **{"enable.partition.eof": False})
        parts = broker.ends(self._consumer, names)
        self._consumer.assign([part for part in parts if part.partition == self._partition])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._consumer.close()

    def send(self, event: Event) -> int:
        """Returns the append time when the broker has the event. Raises BrokerError."""
        headers = [schema_header("user-event"), (PRODUCER, b"tidemill")]
        with Sender(self._settings) as sender:
            sender.send(USER_EVENTS.name, event.user_id.encode(), encode(event), headers)
        return sender.appended_at_ms

    def ask(self, event: Event, timeout_s: float) -> Recommendation:
        """Send an asking event and wait for what answers it, or a later one. Raises BrokerError."""
        asked = CauseKey(self.send(event), event.event_id, self._surface)
        ends_s = time.monotonic() + timeout_s
        while (left_s := ends_s - time.monotonic()) > 0:
            for cause, found in self._read(min(left_s, _POLL_S)):
                if cause >= asked:
                    return found
        raise BrokerError(f"no answer within {timeout_s:.0f} s: {self._why()}")

    def follow(self) -> Iterator[Recommendation]:
        """Each new slate, for ever."""
        while True:
            for _, found in self._read(_POLL_S):
                yield found

    def _read(self, timeout_s: float) -> Iterator[tuple[CauseKey, Recommendation]]:
        for message in clients.fetch(self._consumer, timeout_s):
            error = message.error()
            if error is None:
                if (found := self._judged(message)) is not None:
                    yield found
            elif not error.retriable() and error.code() not in clients.TRANSIENT:
                raise KafkaException(error)

    def _judged(self, message: Message) -> tuple[CauseKey, Recommendation] | None:
        if message.key() != self._user_id.encode():
            return None
        try:
            headers = AnswerHeaders.decode(message.headers() or [])
            if headers.cause.surface != self._surface:
                return None
            owner = self._ownerships.current(headers.origin)
            if owner is None or headers.epoch > owner.epoch:
                self._ownerships = control.ownerships(self._settings)
                owner = self._ownerships.current(headers.origin)
            if not valid(headers, message.partition(), owner):
                return None
            found = self._decoder.decode(message.value(), None)
        except (ValueError, RefusedError):
            return None
        if found.recommendation_id in self._given:
            return None
        self._given.add(found.recommendation_id)
        return headers.cause, found

    def _why(self) -> str:
        """The likeliest reason for silence."""
        region = self._settings.region
        owner = self._ownerships.current(region)
        if owner is None:
            return f"region {region} owns nothing yet; `tidemill up` makes it its own owner"
        if owner.owner != region:
            return f"{owner.owner} owns origin {region}, and its answers have not come"
        return "`tidemill status` tells whether a recommend worker runs and how far it is behind"


def event_id() -> str:
    """A UUIDv7: the time in ms, then chance."""
    digits = f"{time.time_ns() // 1_000_000:012x}7{secrets.randbits(12):03x}"
    digits += f"{0x8 | secrets.randbits(2):x}{secrets.randbits(60):015x}"
    return "-".join(digits[a:b] for a, b in ((0, 8), (8, 12), (12, 16), (16, 20), (20, 32)))
