"""From what arrived: how long each ask waited for its recommendation. Pure.

An ask is answered when a recommendation of its user and surface arrives whose cause is it or a
newer one, in the order of (append time, event id): that is what an answer means (streams/stages/
asks.py), so an ask that a newer one of the same batch overtook waits for that one's slate. Each
ask counts, from the time for which its event was scheduled.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

import msgspec

from schemas.identifiers import DEFAULT_SURFACE
from tests.benchmarks.latency.generator import NS, scheduled_ns
from tests.benchmarks.latency.reader import Arrived

Order = tuple[int, str]


class _Cause(msgspec.Struct):
    event_id: str
    appended_at_ms: int


class _Slate(msgspec.Struct):
    """What is looked at of a recommendation."""

    user_id: str
    surface: str
    cause: _Cause
    fallback: str | None = None


class _Event(msgspec.Struct):
    """What is looked at of an event."""

    event_id: str
    user_id: str
    kind: str
    surface: str = DEFAULT_SURFACE


class Waited(NamedTuple):
    """In seconds, of what was scheduled within the time that is measured."""

    for_events: list[float]
    """Until a plain consumer had the event, whether it asks or not."""
    for_slates: list[float]
    """Of each ask; one without an answer waited until the reading ended."""
    unanswered: int
    superseded: int
    """Asks that were answered by the slate of a newer one."""
    slates: int
    fallbacks: int
    """Of these slates."""


def waited(
    events: Iterable[Arrived],
    slates: Iterable[Arrived],
    asking: Collection[str],
    since_ns: int,
    ended_ns: int,
) -> Waited:
    """`asking` are the kinds that ask; `since_ns` ends the warm-up."""
    event_decoder = msgspec.json.Decoder(_Event)
    slate_decoder = msgspec.json.Decoder(_Slate)
    found = Waited([], [], 0, 0, 0, 0)
    asks: list[tuple[tuple[str, str], Order, int]] = []
    for record in events:
        event = event_decoder.decode(record.value)
        due_ns = scheduled_ns(event.event_id)
        if due_ns < since_ns:
            continue
        found.for_events.append((record.at_ns - due_ns) / NS)
        if event.kind in asking:
            order = record.appended_at_ms, event.event_id
            asks.append(((event.user_id, event.surface), order, due_ns))
    answers: dict[tuple[str, str], list[tuple[Order, int]]] = defaultdict(list)
    made = fallbacks = 0
    for record in slates:
        slate = slate_decoder.decode(record.value)
        order = slate.cause.appended_at_ms, slate.cause.event_id
        answers[slate.user_id, slate.surface].append((order, record.at_ns))
        if scheduled_ns(slate.cause.event_id) >= since_ns:
            made += 1
            fallbacks += slate.fallback is not None
    firsts = {place: _first_arrivals(given) for place, given in answers.items()}
    unanswered = superseded = 0
    for place, order, due_ns in asks:
        orders, arrived_ns = firsts.get(place, ([], []))
        at = bisect_left(orders, order)
        if at == len(orders):
            unanswered += 1
            found.for_slates.append((ended_ns - due_ns) / NS)
        else:
            superseded += orders[at] != order
            found.for_slates.append((arrived_ns[at] - due_ns) / NS)
    return found._replace(
        unanswered=unanswered, superseded=superseded, slates=made, fallbacks=fallbacks
    )


def _first_arrivals(given: Iterable[tuple[Order, int]]) -> tuple[Sequence[Order], Sequence[int]]:
    """The causes ascending, and for each when the first slate of it or of a newer one was there."""
    ascending = sorted(given)
    earliest_ns: list[int] = []
    for _, at_ns in reversed(ascending):
        earliest_ns.append(min(at_ns, earliest_ns[-1]) if earliest_ns else at_ns)
    return [order for order, _ in ascending], earliest_ns[::-1]
