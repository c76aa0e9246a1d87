"""A real log as the records that its shop would have produced.

The same log gives the same records, event ids included, so replaying it again changes nothing.
Records go out in the log's order at a rate, or at a multiple of the log's own pace. Called by
`tidemill replay` and the demo.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import xxhash

from inference.data.interactions import Interactions
from infra.broker import Sender, read_whole
from schemas import events
from schemas.codec import encode, schema_header
from schemas.items import ItemUpdate
from schemas.state import KIND_CODES
from schemas.topics import ITEM_UPDATES, USER_EVENTS
from streams.lane.forwarding import PRODUCER
from streams.settings import Settings

_KINDS = {code: kind for kind, code in KIND_CODES.items()}
_TYPES = {kind.__struct_config__.tag: kind for kind in events.EVENT_TYPES}
_NAMED = (PRODUCER, b"tidemill replay")
UNTIMED_FROM_MS = 1_577_836_800_000
"""2020-01-01: where a log has no times, its places become seconds from here."""
_POLL_S = 0.05
_TOLD_EVERY = 100
"""Events between two reports of progress."""


@dataclass(frozen=True)
class Pace:
    """Which event is due when: `rate` events a second, `speed` times the log's own pace, or (both
    None) as fast as the broker takes them.
    """

    rate: float | None = None
    speed: float | None = None

    def due_s(self, number: int, elapsed_ms: int) -> float:
        """Seconds after the first event. `elapsed_ms` is what passed in the log since it."""
        if self.rate is not None:
            return number / self.rate
        return elapsed_ms / 1000 / self.speed if self.speed is not None else 0.0


def user_events(log: Interactions, suffix: str = "") -> Iterator[events.Event]:
    """Each interaction as an event. `suffix` makes other people of the log's users."""
    for row in range(len(log)):
        user, item = log.users[log.user[row]], log.items[log.item[row]]
        kind = _KINDS[int(log.kind[row])]
        place = (log.name, user, item, kind, int(log.time_ms[row]), int(log.line[row]))
        fields: dict[str, Any] = {
            "event_id": xxhash.xxh3_128_hexdigest(msgspec.json.encode(place)),
            "user_id": user + suffix,
            "at_ms": at_ms(log, row),
            "item_id": item,
        }
        value = float(log.value[row])
        if kind == "rating":
            value = 0.0 if np.isnan(value) else value
            fields |= {"value": value, "scale": log.scale}
        elif kind == "purchase" and value >= 1:
            fields["quantity"] = int(value)
        yield _TYPES[kind](**fields)


def at_ms(log: Interactions, row: int) -> int:
    """When an interaction happened, by the log's own clock."""
    time_ms = int(log.time_ms[row])
    return time_ms if log.timed else UNTIMED_FROM_MS + 1000 * time_ms


def item_updates(log: Interactions) -> Iterator[ItemUpdate]:
    """Each item of the log; its id stands for a title that is not known."""
    first_ms = at_ms(log, 0) if len(log) else UNTIMED_FROM_MS
    for number, item in enumerate(log.items):
        yield ItemUpdate(
            item_id=item,
            title=log.title(number) or item,
            at_ms=max(0, first_ms),
            categories=list(log.categories_of(number)),
        )


def send_items(settings: Settings, log: Interactions) -> int:
    """Produce the items that the topic does not say yet; how many. Raises BrokerError."""
    said = {m.key(): m.value() for m in read_whole(settings, [ITEM_UPDATES.name])}
    headers = [schema_header("item-update"), _NAMED]
    with Sender(settings) as sender:
        for update in item_updates(log):
            key, value = update.item_id.encode(), encode(update)
            if said.get(key) != value:
                sender.send(ITEM_UPDATES.name, key, value, headers)
    return sender.acknowledged


def send_events(
    settings: Settings,
    log: Interactions,
    pace: Pace,
    *,
    suffix: str = "",
    progress: Callable[[int], None] = lambda _: None,
) -> int:
    """Produce the interactions in their order; how many. `progress` gets the events that the
    broker has acknowledged so far. Raises BrokerError.
    """
    headers = [schema_header("user-event"), _NAMED]
    begun_s = time.monotonic()
    with Sender(settings) as sender:
        for number, event in enumerate(user_events(log, suffix)):
            due_s = begun_s + pace.due_s(number, event.at_ms - at_ms(log, 0))
            while (left_s := due_s - time.monotonic()) > 0:
                sender.poll(min(left_s, _POLL_S))
                progress(sender.acknowledged)
            sender.send(USER_EVENTS.name, event.user_id.encode(), encode(event), headers)
            if number % _TOLD_EVERY == 0:
                progress(sender.acknowledged)
    progress(sender.acknowledged)
    return sender.acknowledged
