"""Asks that nobody has validly answered: found in the logs, kept until they are answered.

Never guessed from positions: a crash, a rebalance and a failover leave the same question, and the
logs have the answer. Read when a partition was opened whose origin this region owns, and whenever
the epoch at which it owns it changes. `read` blocks: call it in a pool thread.
"""

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from confluent_kafka import Consumer, Message, TopicPartition

from schemas.control import Ownership
from schemas.recommendations import AnswerHeaders
from schemas.topics import RECOMMENDATIONS, USER_EVENTS
from streams import memory
from streams.lane import clients
from streams.lane.contract import Offsets, Record
from streams.native.contract import Recent
from streams.region.valid import valid
from streams.settings import Settings
from streams.stages.asks import Ask, Order, Place, keep_newest
from streams.stages.intake import Partition
from streams.stages.plain import Plain
from streams.stages.recent import CLOCK_STEP_MS, WINDOW_MS
from streams.topology import copies

_TIMEOUT_S = 30.0


class Found(NamedTuple):
    """What the logs say of one origin in one partition."""

    due: list[Ask]
    """The newest of each (user, surface)."""
    answered: dict[Place, Order]
    """The newest cause that a valid answer names, as far as was read."""
    recent: Recent
    """All that were read: answered, or due and as good as answered, so that an event that is sent
    again asks for nothing. Three minutes of a partition may be a million, which only so fit.
    """
    start_ms: int
    """Asks before this append time are answered, also those that were not read."""


def read(
    settings: Settings,
    partition: Partition,
    origin: str,
    ownerships: Mapping[str, Ownership],
    before: Offsets,
) -> tuple[Found, list[Record]]:
    """Asks of `origin` up to the position `before`, and where another region's own topic holds
    them, the misplaced records among them, which it may not have forwarded any more. Raises
    DeadlineError, KafkaException.
    """
    consumer = clients.catch_up_reader(settings, **clients.SOON_AT_THE_END)
    topics = copies(RECOMMENDATIONS, settings.peers)
    logs = [TopicPartition(topic, partition.number) for topic in topics]
    try:
        tails = (map(_all_headers, clients.backwards(consumer, log)) for log in logs)
        start_ms = asks_start(tails, partition.number, ownerships.get(origin))
        answered: dict[Place, Order] = {}
        for log in logs:
            begin = _at(consumer, log, None if start_ms is None else start_ms - CLOCK_STEP_MS)
            for message in clients.read_to_end(consumer, [begin]):
                if (headers := _headers(message)) is not None:
                    ownership = ownerships.get(headers.origin)
                    note(answered, partition.number, message.key(), headers, ownership)
        topic = dict(zip((settings.region, *settings.peers), _events(settings), strict=True))[
            origin
        ]
        events = TopicPartition(topic, partition.number)
        begin = _at(consumer, events, None if start_ms is None else start_ms - WINDOW_MS)
        records = clients.before(clients.read_to_end(consumer, [begin]), before[topic])
        # The own ones were forwarded before the position was committed.
        misplaced: list[Record] | None = None if origin == settings.region else []
        asks = partition.asks(topic, records, misplaced)
        what = found(asks, answered, start_ms or 0, partition.plain)
        return what, [one for one in misplaced or () if one.timestamp()[1] >= what.start_ms]
    finally:
        consumer.close()
        memory.give_back()


def changed(looked: Mapping[str, int], owned: Mapping[str, int]) -> set[str]:
    """Origins whose asks must be read anew, or dropped where they are not owned: `looked` are the
    epochs at which they were read, `owned` those of now. The epochs between may have been missed.
    """
    return {origin for origin in {*looked, *owned} if looked.get(origin) != owned.get(origin)}


def asks_start(
    logs: Iterable[Iterable[Iterable[AnswerHeaders]]], partition: int, ownership: Ownership | None
) -> int | None:
    """The append time from which asks are read; None: from the start of the retained log.

    `logs` are the partition's recommendations, own and mirrored, each from its end backwards in
    steps, which are taken until one has a valid answer of this origin.
    """
    starts = []
    for steps in logs:
        for step in steps:
            met = [
                (headers.epoch, headers.answered_before_ms)
                for headers in step
                if valid(headers, partition, ownership)
            ]
            if met:
                starts.append(max(met))
                break
    return max(starts)[1] - CLOCK_STEP_MS if starts else None


def note(
    answered: dict[Place, Order],
    partition: int,
    key: bytes | None,
    headers: AnswerHeaders,
    ownership: Ownership | None,
) -> None:
    """A recommendation of any origin; `ownership` is the record of its own."""
    if not valid(headers, partition, ownership):
        return
    cause = headers.cause
    place = (key or b"").decode(errors="replace"), sys.intern(cause.surface)
    order = cause.appended_at_ms, cause.event_id
    if order > answered.get(place, (-1, "")):
        answered[place] = order


def found(asks: Iterable[Ask], answered: dict[Place, Order], start_ms: int, plain: Plain) -> Found:
    """Of asks in their order. Those before `start_ms` are answered, whatever `answered` says.

    An event sent again within the window is answered with its first copy.
    """
    due: dict[Place, Ask] = {}
    recent, were_answered = plain.recent_asks(), plain.recent_asks()
    for ask in asks:
        copy, appended_at_ms = plain.recent_ask(ask.event), ask.appended_at_ms
        if were_answered.knows(copy, appended_at_ms):
            continue
        recent.add(copy, appended_at_ms)
        if appended_at_ms < start_ms or ask.order <= answered.get(ask.place, (-1, "")):
            were_answered.add(copy, appended_at_ms)
        else:
            keep_newest(due, ask)
    return Found([*due.values()], answered, recent, start_ms)


def _events(settings: Settings) -> Sequence[str]:
    return copies(USER_EVENTS, settings.peers)


def _all_headers(messages: Iterable[Message]) -> list[AnswerHeaders]:
    return [headers for message in messages if (headers := _headers(message)) is not None]


def _headers(message: Message) -> AnswerHeaders | None:
    """None for a record that is no recommendation of ours: it answers nothing."""
    try:
        return AnswerHeaders.decode(message.headers() or [])
    except ValueError:
        return None


def _at(consumer: Consumer, log: TopicPartition, time_ms: int | None) -> TopicPartition:
    """The first record of this time or later; without a time, the start of the log."""
    start, end = clients.watermarks(consumer, log)
    if time_ms is None or start == end:
        return TopicPartition(log.topic, log.partition, start)
    asked = TopicPartition(log.topic, log.partition, max(0, time_ms))
    (answer,) = clients.again(lambda: consumer.offsets_for_times([asked], timeout=_TIMEOUT_S))
    return TopicPartition(log.topic, log.partition, answer.offset if answer.offset >= 0 else end)
