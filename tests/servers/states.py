"""What the states of users must be, and what they are: in the changelog, in stores, in slates.

The first is an independent fold of what lies in the logs; the others are read where they are kept.
"""

import random
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from infra import topics
from infra.lag import behind
from schemas.codec import EventDecoder
from schemas.recommendations import AnswerHeaders, Recommendation
from schemas.state import (
    EMPTY,
    MARKER_KEY,
    POSITION_KEY,
    USER_KEY_PREFIX,
    Marker,
    Position,
    UserState,
)
from schemas.topics import ITEM_UPDATES, RECOMMENDATIONS, STATE_CHANGELOG, STATE_JOINS, USER_EVENTS
from streams.lane import positions
from streams.lane.forwarding import partition_of
from streams.settings import Settings
from streams.state.digests import state_digest
from streams.state.fold import fold
from streams.state.join import join
from streams.state.store import Store
from streams.topology import RECOMMEND
from tests.servers.conftest import PARTITIONS, REGION
from tests.servers.workers import DEADLINE_S, Log, event, item, recommendations, until

USERS = [f"user-{number}" for number in range(40)]
States = dict[str, UserState]


def stock(bootstrap: str) -> None:
    """Items to recommend."""
    put(bootstrap, ITEM_UPDATES.name, [(f"i{n}", item(f"i{n}")) for n in range(12)])


def send(bootstrap: str, count: int, *, seed: int, users: Sequence[str] = USERS) -> None:
    """So many events, spread over the users."""
    random_ = random.Random(seed)
    kinds = ["view", "click", "cart", "purchase", "hide"]
    events = []
    for n in range(count):
        user = users[n % len(users)]
        kind, item_id = random_.choice(kinds), f"i{random_.randrange(12)}"
        events.append((user, event(f"{seed}-{n}", user, kind, item_id=item_id)))
    put(bootstrap, USER_EVENTS.name, events)


def ask(bootstrap: str, name: str, users: Iterable[str] = USERS) -> None:
    """A request of each user; its event id is the name and the user."""
    asks = [(user, event(f"{name}-{user}", user, "request", item_id=None)) for user in users]
    put(bootstrap, USER_EVENTS.name, asks)


def put(bootstrap: str, topic: str, records: Iterable[tuple[str, bytes]]) -> None:
    """(key, value) into the partitions where they belong, acknowledged."""
    producer = Producer({"bootstrap.servers": bootstrap, "partitioner": "murmur2_random"})
    failed: list[object] = []
    for key, value in records:
        producer.produce(
            topic, value, key, on_delivery=lambda error, _: failed.append(error) if error else None
        )
        producer.poll(0)
    assert producer.flush(DEADLINE_S) == 0
    assert not failed


def processed(bootstrap: str) -> None:
    """Returns when the worker has committed everything."""
    settings = Settings(kafka=bootstrap, partitions=PARTITIONS)
    until("everything is processed", lambda: behind(RECOMMEND, settings) == 0)


def folded(bootstrap: str, onto: States | None = None) -> States:
    """What the records of user-events and user-state.joins make of each user."""
    states = dict(onto or {})
    decoder = EventDecoder()
    for record in _read(bootstrap, USER_EVENTS.name):
        appended_at_ms = record.timestamp()[1]
        decoded = decoder.decode_event(record.value(), None, appended_at_ms)
        if record.partition() == partition_of(decoded.user_id, PARTITIONS):
            before = states.get(decoded.user_id, EMPTY)
            states[decoded.user_id] = fold(before, decoded, appended_at_ms)
    for record in _read(bootstrap, STATE_JOINS.name):
        user_id = (record.key() or b"").decode()
        joined = UserState.decode(record.value() or b"")
        states[user_id] = join(states.get(user_id, EMPTY), joined)
    return {user_id: state for user_id, state in states.items() if state != EMPTY}


def changelog(bootstrap: str) -> dict[tuple[int, bytes], bytes]:
    """(partition, key) -> the newest value."""
    records = _read(bootstrap, STATE_CHANGELOG.name)
    return {(r.partition(), r.key() or b""): r.value() or b"" for r in records}


def in_changelog(bootstrap: str) -> States:
    return {
        key.removeprefix(USER_KEY_PREFIX).decode(): UserState.decode(value)
        for (_, key), value in changelog(bootstrap).items()
        if key.startswith(USER_KEY_PREFIX)
    }


def in_stores(bootstrap: str, state_dir: Path) -> States:
    """Of a worker that has stopped."""
    id_ = positions.topic_ids(Settings(kafka=bootstrap), [STATE_CHANGELOG.name])
    states: States = {}
    for partition in range(PARTITIONS):
        store = Store(state_dir / str(partition), id_[STATE_CHANGELOG.name])
        states |= {user_id: UserState.decode(value) for user_id, value in store.states()}
        store.close()
    return states


def flushed(bootstrap: str) -> None:
    """Returns when the markers say that all there is in the input is in the changelog too."""
    log = Log(bootstrap, STATE_CHANGELOG.name)
    id_ = positions.topic_ids(Settings(kafka=bootstrap), [USER_EVENTS.name])[USER_EVENTS.name]
    ends: dict[int, int] = {}
    for record in _read(bootstrap, USER_EVENTS.name):
        ends[record.partition()] = record.offset() + 1

    def is_marked() -> bool:
        marked: dict[int, int] = {}
        for record in log.read():
            if record.key() == MARKER_KEY:
                marker = msgspec.json.decode(record.value() or b"", type=Marker)
                marked[record.partition()] = marker.offsets.get(id_, 0)
        return all(marked.get(partition, 0) >= end for partition, end in ends.items())

    until("the markers are at the end of the input", is_marked)
    log.close()


def position(bootstrap: str, partition: int) -> Position:
    return msgspec.json.decode(changelog(bootstrap)[partition, POSITION_KEY], type=Position)


def check_slates(bootstrap: str, states: States, name: str, users: Sequence[str] = USERS) -> None:
    """Each user asks, and the slate is made from the state that all of the user's events make."""
    ask(bootstrap, name, users)
    log = Log(bootstrap, RECOMMENDATIONS.name)
    wanted = {f"{name}-{user}": state_digest(states.get(user, EMPTY)) for user in users}
    found: dict[str, str] = {}

    def are_answered() -> bool:
        for answer in recommendations(log):
            found[answer.cause.event_id] = answer.made_from.state
        return wanted.keys() <= found.keys()

    until("everybody has an answer", are_answered)
    assert {event_id: found[event_id] for event_id in wanted} == wanted
    log.close()


def answers(bootstrap: str) -> list[tuple[Recommendation, AnswerHeaders]]:
    """All recommendations with their headers, which must be there and be unique by the rule that
    readers drop repeats by.
    """
    log = Log(bootstrap, RECOMMENDATIONS.name)
    values = list(recommendations(log))
    headers = [AnswerHeaders.decode(record.headers() or []) for record in log.records]
    log.close()
    pairs = list(zip(values, headers, strict=True))
    for answer, header in pairs:
        cause = header.cause
        assert (header.origin, header.epoch) == (answer.origin, answer.epoch)
        assert cause.event_id == answer.cause.event_id
        assert cause.appended_at_ms == answer.cause.appended_at_ms
        assert cause.surface == answer.surface
        assert header.answered_before_ms <= cause.appended_at_ms
    names = [(answer.recommendation_id, answer.epoch) for answer in values]
    assert len(set(names)) == len(names), "answered twice"
    return pairs


def make_again(bootstrap: str, name: str) -> None:
    """Delete a topic and create it, empty."""
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 2})
    admin.delete_topics([name])[name].result()
    until(f"{name} is gone", lambda: name not in admin.list_topics(timeout=30).topics)
    until(
        f"{name} is there again",
        lambda: name in topics.create(bootstrap, PARTITIONS, REGION),
    )


def drop_records(bootstrap: str, name: str) -> None:
    """Remove everything there is, as retention would."""
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 2})
    behind_last: dict[int, int] = {}
    for record in _read(bootstrap, name):
        behind_last[record.partition()] = record.offset() + 1
    parts = [TopicPartition(name, part, offset) for part, offset in behind_last.items()]
    for answer in admin.delete_records(parts).values():
        answer.result()


def _read(bootstrap: str, topic: str) -> list[Any]:
    log = Log(bootstrap, topic)
    records = log.read()
    log.close()
    return records
