"""`tidemill region lost`: what a region had not heard of when it took an origin over, by id, once
the one that was gone is back.

They are the events behind the place to which the mirror had come (the journal of that `promote`
has it) that were appended before the promotion. They were never gone: they lie in the region that
was, and the mirror brings them now. Read from the source's own log; nothing is written.
"""

from collections.abc import Iterator
from contextlib import closing

import msgspec
from confluent_kafka import TopicPartition

from infra import broker
from infra.failover.heads import heads
from infra.failover.journal import Journal
from infra.failover.mirrored import mirrored_to
from infra.failover.problems import FailoverError
from infra.failover.reach import Reach
from schemas.codec import EventDecoder, RefusedError
from schemas.topics import USER_EVENTS
from streams.lane import clients
from streams.settings import Settings


class Lost(msgspec.Struct, frozen=True, kw_only=True):
    """An event; `event_id`, `user_id` and `kind` are None where it cannot be read. `crossed`:
    whether it is here by now.
    """

    partition: int
    offset: int
    appended_at_ms: int
    event_id: str | None
    user_id: str | None
    kind: str | None
    crossed: bool


def lost(reach: Reach, origin: str) -> list[Lost]:
    """In the order of partitions and offsets. Raises FailoverError, BrokerError, KafkaException,
    LaneError.
    """
    entry = Journal(reach.home, origin).read()
    if entry is None or entry.command != "promote" or not entry.mirrored_to:
        raise FailoverError(
            f"the last command for {origin} in {reach.region} was no unplanned promotion, so"
            " nothing tells how far the mirror had come then"
        )
    found = heads(reach, origin)
    if found.current is None or found.current.epoch != entry.epoch:
        raise FailoverError(
            f"epoch {entry.epoch} of {origin}, which {reach.region} took over, is not the one that"
            " holds; ask before the origin changes hands again"
        )
    until_ms, since = found.since_ms, entry.mirrored_to
    there = reach.asked(origin, lambda settings: list(_between(settings, since, until_ms)))
    if there is None:
        raise FailoverError(
            f"{origin} does not answer: what it had alone can be told when it is back;"
            f" `--peer {origin}=HOST:PORT` says where it is"
        )
    crossed = mirrored_to(reach.here, origin, USER_EVENTS)
    return [
        msgspec.structs.replace(one, crossed=one.offset < crossed[one.partition]) for one in there
    ]


def _between(settings: Settings, since: dict[int, int], until_ms: int) -> Iterator[Lost]:
    decoder = EventDecoder()
    with closing(broker.reader(settings)) as consumer:
        for partition, offset in sorted(since.items()):
            part = TopicPartition(USER_EVENTS.name, partition, offset)
            for message in clients.read_to_end(consumer, [part]):
                _, appended_at_ms = message.timestamp()
                if appended_at_ms >= until_ms:
                    break
                try:
                    event = decoder.decode_event(message.value(), None, appended_at_ms)
                except RefusedError:
                    event = None
                yield Lost(
                    partition=partition,
                    offset=message.offset(),
                    appended_at_ms=appended_at_ms,
                    event_id=None if event is None else event.event_id,
                    user_id=None if event is None else event.user_id,
                    kind=None if event is None else event.kind,
                    crossed=False,
                )
