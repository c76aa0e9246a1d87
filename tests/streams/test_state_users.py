"""The states of a partition: bounded in memory, and none of them lost when one is let go."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.events import Click, Request
from schemas.state import EMPTY, UserState
from streams.state.fold import fold
from streams.state.store import Store
from streams.state.users import Users
from tests.streams.conftest import users_of
from tests.streams.state_records import START_MS, event_of

NewUsers = Callable[[Store], Users]
LET_GO = 0
"""A bound that lets the older generation go at each call."""


def nobody(_user_id: str) -> bool:
    return False


def numbered(number: int) -> UserState:
    return UserState(newest_appended_ms=number)


def flush(users: Users, store: Store, *user_ids: str) -> None:
    """As the commit of a batch does it."""
    store.write([users.flushed(user_id) for user_id in user_ids])


def test_who_is_not_known_has_the_empty_state(store: Store, new_users: NewUsers) -> None:
    users = new_users(store)
    assert users.get("ann") is EMPTY
    assert users.find("ann") is None
    assert not list(users.states())
    assert not users.hot


def test_a_state_that_was_put_is_there_and_dirty(store: Store, new_users: NewUsers) -> None:
    users = new_users(store)
    state = fold(users.get("ann"), event_of(Click, "e"), START_MS)
    users.put("ann", state)
    assert users.find("ann") == state
    assert list(users.dirty) == ["ann"]


def test_who_only_asked_is_not_kept(store: Store, new_users: NewUsers) -> None:
    users = new_users(store)
    state = users.get("ann")
    assert fold(state, event_of(Request, "e"), START_MS) is state


def test_a_flushed_user_is_clean_and_is_found_behind_a_restart(
    open_store: Callable[..., Store], new_users: NewUsers
) -> None:
    store = open_store()
    users = new_users(store)
    users.put("ann", numbered(1))
    change = users.flushed("ann")
    assert change == (b"Uann", numbered(1).encode())
    assert not users.dirty
    store.write([change])
    store.close()
    assert new_users(open_store()).find("ann") == numbered(1)


def test_memory_is_bounded_by_two_generations(store: Store, new_users: NewUsers) -> None:
    users = new_users(store)
    hot_bytes = 100_000
    for n in range(2_000):
        users.put(f"user-{n}", numbered(n))
        flush(users, store, f"user-{n}")
        users.bound(hot_bytes, nobody)
        assert users.hot * users.mean_bytes <= hot_bytes
    assert users.hot < 400
    assert len(list(users.states())) == 2_000
    assert users.get("user-0") == numbered(0)


def test_who_is_touched_stays_hot(store: Store, new_users: NewUsers) -> None:
    users = new_users(store)
    users.put("regular", numbered(1))
    state = users.get("regular")
    for n in range(1_000):
        users.put(f"user-{n}", numbered(n))
        users.bound(20_000, nobody)
        assert users.get("regular") == state


def test_a_dirty_user_who_is_let_go_is_spilled_and_stays_dirty(
    store: Store, new_users: NewUsers
) -> None:
    users = new_users(store)
    users.put("ann", numbered(7))
    for user_id in ("bob", "cat"):
        users.bound(LET_GO, nobody)
        users.put(user_id, numbered(0))
    assert store.state("ann") == numbered(7).encode()
    assert "ann" in users.dirty
    assert users.flushed("ann") == (b"Uann", numbered(7).encode())
    assert "ann" not in users.dirty
    assert users.get("ann") == numbered(7)


def test_who_waits_for_the_cycle_under_way_is_spilled_too(
    store: Store, new_users: NewUsers
) -> None:
    users = new_users(store)
    users.put("ann", numbered(7))
    users.take_dirty()  # for a cycle
    for user_id in ("bob", "cat"):
        users.bound(LET_GO, lambda user_id: user_id == "ann")
        users.put(user_id, numbered(0))
    assert users.flushed("ann").value == numbered(7).encode()


def test_a_clean_user_who_is_let_go_costs_no_write(
    store: Store, new_users: NewUsers, monkeypatch: pytest.MonkeyPatch
) -> None:
    users = new_users(store)
    users.put("ann", numbered(7))
    flush(users, store, "ann")
    monkeypatch.setattr(store, "write", lambda _: pytest.fail("written again"))
    users.get("nobody")
    users.bound(LET_GO, nobody)
    users.bound(LET_GO, nobody)


NAMES = st.sampled_from(["ann", "bob", "cat", "dan", "eve"])
STEPS = st.one_of(
    st.tuples(st.just("put"), NAMES, st.integers(1, 1_000)),
    st.tuples(st.just("find"), NAMES, st.just(0)),
    st.tuples(st.just("flush"), NAMES, st.just(0)),
    st.tuples(st.just("bound"), NAMES, st.sampled_from([LET_GO, 1_500, 10**6])),
)


@pytest.mark.parametrize("native", ["off", "auto"])
@settings(max_examples=60, deadline=None, database=None)
@given(steps=st.lists(STEPS, max_size=60))
def test_any_sequence_gives_what_a_plain_dict_gives(
    native: str, steps: list[tuple[str, str, int]]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder) / "0", "changelog")
        users = users_of(store, native)
        states: dict[str, UserState] = {}
        flushed: dict[str, UserState] = {}
        for step, user_id, number in steps:
            if step == "put":
                users.find(user_id)
                users.put(user_id, numbered(number))
                states[user_id] = numbered(number)
                flushed.pop(user_id, None)
            elif step == "find":
                assert users.find(user_id) == states.get(user_id)
            elif step == "flush" and user_id in states:
                change = users.flushed(user_id)
                assert UserState.decode(change.value or b"") == states[user_id]
                store.write([change])
                flushed[user_id] = states[user_id]
            elif step == "bound":
                users.bound(number, nobody)
            assert users.dirty.keys() == states.keys() - flushed.keys()
        assert dict(users.states()) == states
        store.close()
