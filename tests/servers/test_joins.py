"""States from elsewhere, joined in: while a worker runs, and before a partition publishes."""

from collections.abc import Callable

import pytest

from schemas.state import EMPTY, UserState
from schemas.topics import DEAD_LETTERS, STATE_JOINS
from streams.lane.dead_letters import REASON, TOPIC
from streams.state.digests import state_digest
from tests.servers.conftest import RunningKafka
from tests.servers.states import (
    USERS,
    answers,
    ask,
    check_slates,
    flushed,
    folded,
    in_changelog,
    put,
    send,
    stock,
)
from tests.servers.workers import Log, Worker, own, until
from tests.streams.user_states import NOW_MS, state_of

Start = Callable[..., Worker]


@pytest.fixture
def shop(fresh_kafka: RunningKafka) -> str:
    own(fresh_kafka.bootstrap)
    stock(fresh_kafka.bootstrap)
    return fresh_kafka.bootstrap


def elsewhere(user_number: int) -> UserState:
    """What a peer knows of a user."""
    history = [("click", 1_000 + user_number * 10 + n, NOW_MS + n) for n in range(3)]
    return state_of(history, cart={77: (NOW_MS, 1)})


JOINS = [(user, elsewhere(at).encode()) for at, user in enumerate([*USERS, "new-1", "new-2"])]
EVERYBODY = [user for user, _ in JOINS]


def test_joins_are_folded_while_a_worker_runs(shop: str, start_worker: Start) -> None:
    start_worker(flush_s=0.5)
    send(shop, 200, seed=1)
    before = folded(shop)
    check_slates(shop, before, "before")
    put(shop, STATE_JOINS.name, [*JOINS, *JOINS])
    after = folded(shop)
    assert after.keys() == set(EVERYBODY)
    until("the joins are in the changelog", lambda: in_changelog(shop) == after)
    check_slates(shop, after, "after", EVERYBODY)


def test_a_malformed_join_is_dead_lettered(shop: str, start_worker: Start) -> None:
    worker = start_worker()
    until("it runs", lambda: worker.log.read_text().count("is open") == 8)
    put(shop, STATE_JOINS.name, [("kim", b"no state"), JOINS[0], ("kim", b"\\x63" + bytes(25))])
    letters = Log(shop, DEAD_LETTERS.name)
    found = [dict(letter.headers() or []) for letter in letters.wait_for(2)]
    letters.close()
    assert [(one[TOPIC], one[REASON]) for one in found] == [
        (STATE_JOINS.name.encode(), b"wrong_type")
    ] * 2
    user, state = JOINS[0]
    check_slates(shop, {user: UserState.decode(state)}, "after", [user])


def test_a_partition_publishes_only_behind_its_joins(shop: str, start_worker: Start) -> None:
    """Also for what was asked before the worker was there, and again on another disk."""
    send(shop, 200, seed=1)
    ask(shop, "waiting", EVERYBODY)
    filler = [(f"guest-{n}", elsewhere(n).encode()) for n in range(3_000)]
    put(shop, STATE_JOINS.name, [*filler, *JOINS])
    expected = folded(shop)
    for name in ("waiting", "again"):
        worker = start_worker(flush_s=0.5)
        if name == "again":
            ask(shop, name, EVERYBODY)
        wanted = {f"{name}-{user}": state_digest(expected.get(user, EMPTY)) for user in EVERYBODY}
        until(
            "everybody has an answer",
            lambda wanted=wanted: wanted.keys() <= {one.cause.event_id for one, _ in answers(shop)},
        )
        made = {one.cause.event_id: one.made_from.state for one, _ in answers(shop)}
        assert {event_id: made[event_id] for event_id in wanted} == wanted
        flushed(shop)
        worker.stop()
    assert in_changelog(shop) == expected
