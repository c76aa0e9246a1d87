"""Which users two regions hold alike, and that interleaving alone never makes them differ."""

from collections.abc import Iterable, Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.control import StateDigest, UserDigest
from schemas.events import AnyEvent, Click
from schemas.state import EMPTY, UserState
from streams.region.parity import Compared, Parity, compare, slice_at, slice_of
from streams.state.digests import state_digest
from streams.state.fold import fold
from tests.streams.state_records import START_MS


def listed(
    region: str,
    users: Mapping[str, tuple[str, int]],
    partition: int = 0,
    slice_: int = 0,
    **folded_to: int,
) -> StateDigest:
    """`users` as user -> (digest, newest)."""
    return StateDigest(
        region=region,
        partition=partition,
        slice=slice_,
        folded_to=folded_to,
        users=[
            UserDigest(user=user, digest=digest, newest_ms=newest_ms)
            for user, (digest, newest_ms) in users.items()
        ],
    )


def named(found: Compared) -> dict[str, set[str]]:
    return {name: set(users) for name, users in found._asdict().items() if users}


def test_whoever_is_newer_than_what_both_have_folded_waits() -> None:
    users = {"ann": ("a", 10), "bob": ("b", 20), "cat": ("c", 30)}
    east = listed("east", users, east=40, west=20)
    west = listed("west", users | {"cat": ("x", 30)}, east=25, west=50)
    assert named(compare(east, west)) == {"equal": {"ann"}, "later": {"bob", "cat"}}


def test_an_origin_that_both_have_folded_alike_holds_nobody_up() -> None:
    users = {"ann": ("a", 10), "bob": ("b", 20)}
    east = listed("east", users, east=40, west=5)
    west = listed("west", users | {"bob": ("x", 20)}, east=30, west=5)
    assert named(compare(east, west)) == {"equal": {"ann"}, "differing": {"bob"}}
    still = listed("west", users, east=40, west=5)
    assert named(compare(east, still)) == {"equal": {"ann", "bob"}}


def test_an_origin_of_which_one_knows_nothing_holds_everybody_up() -> None:
    users = {"ann": ("a", 10)}
    found = compare(listed("east", users, east=40, west=30), listed("west", users, east=40))
    assert named(found) == {"later": {"ann"}}


def test_whom_only_one_lists_differs_unless_it_is_too_early() -> None:
    east = listed("east", {"ann": ("a", 10), "bob": ("b", 30)}, east=20)
    west = listed("west", {"cat": ("c", 11)}, east=25)
    assert named(compare(east, west)) == {"differing": {"ann", "cat"}, "later": {"bob"}}


def test_the_same_digest_with_another_newest_time_is_another_state() -> None:
    east = listed("east", {"ann": ("a", 10)}, east=20)
    west = listed("west", {"ann": ("a", 11)}, east=20)
    assert named(compare(east, west)) == {"differing": {"ann"}}


@pytest.mark.parametrize("other", [{"partition": 1}, {"slice_": 1}])
def test_lists_of_other_users_are_not_compared(other: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="not to be compared"):
        compare(listed("east", {}), listed("west", {}, **other))


def test_who_differs_twice_in_a_row_has_diverged() -> None:
    parity = Parity("east", "west")
    good, bad = {"ann": ("a", 10)}, {"ann": ("x", 10)}

    def compared(west: Mapping[str, tuple[str, int]]) -> None:
        parity.add([listed("east", good, east=20), listed("west", west, east=20)])

    compared(bad)
    assert parity.differing == {"ann"}
    assert not parity.diverged
    compared(good)
    compared(bad)
    assert not parity.diverged
    compared(bad)
    assert parity.diverged == {"ann"}
    assert (parity.pairs, parity.equal) == (4, 0)
    compared(good)
    assert not parity.differing
    assert parity.equal == 1


def test_a_list_is_compared_once_and_only_with_the_peers() -> None:
    parity = Parity("east", "west")
    users = {"ann": ("a", 10)}
    parity.add([listed("east", users, east=20), listed("north", users, east=20)])
    parity.add([listed("east", users, east=20)])
    assert parity.pairs == 0
    parity.add([listed("west", users, east=20)])
    parity.add([listed("west", {}, east=20)])
    assert parity.pairs == 1
    assert not parity.differing


def test_every_user_has_one_slice_and_every_slice_its_turn() -> None:
    slices = {slice_of(f"user-{number}", 8) for number in range(200)}
    assert slices == set(range(8))
    assert [slice_at(60.0 * n, 8, 60.0) for n in range(10)] == [*range(8), 0, 1]


USERS = ("ann", "bob", "cat")
LOGS = st.fixed_dictionaries(
    {
        origin: st.lists(st.tuples(st.integers(0, 3), st.sampled_from(USERS)), max_size=8)
        for origin in ("east", "west")
    }
)
Logs = dict[str, list[tuple[int, str]]]


def appended(logs: Logs) -> dict[str, list[tuple[AnyEvent, int]]]:
    """Each origin's events with their append times, which never go back and never repeat."""
    made: dict[str, list[tuple[AnyEvent, int]]] = {}
    for origin, steps in logs.items():
        time_ms = START_MS + (origin == "west")
        made[origin] = []
        for number, (gap, user) in enumerate(steps):
            time_ms += 2 * (gap + 1)
            event = Click(
                event_id=f"{origin}-{number}", user_id=user, at_ms=time_ms, item_id=f"i{number}"
            )
            made[origin].append((event, time_ms))
    return made


def region(name: str, read: Iterable[tuple[str, AnyEvent, int]]) -> StateDigest:
    """What a region lists that has folded these, origin by origin."""
    states: dict[str, UserState] = {}
    folded_to: dict[str, int] = {}
    for origin, event, appended_at_ms in read:
        states[event.user_id] = fold(states.get(event.user_id, EMPTY), event, appended_at_ms)
        folded_to[origin] = appended_at_ms
    users = {user: (state_digest(s), s.newest_appended_ms) for user, s in states.items()}
    return listed(name, users, **folded_to)


@settings(deadline=None, database=None, max_examples=300)
@given(LOGS, st.data())
def test_regions_that_folded_any_prefixes_never_differ(logs: Logs, data: st.DataObject) -> None:
    made = appended(logs)
    lists = []
    for name in ("east", "west"):
        read = [
            (origin, event, time_ms)
            for origin, events in made.items()
            for event, time_ms in events[: data.draw(st.integers(0, len(events)))]
        ]
        lists.append(region(name, read))
    found = compare(*lists)
    assert not found.differing
    if all(len(one.folded_to) == 2 for one in lists) and lists[0].folded_to == lists[1].folded_to:
        assert not found.later


@settings(deadline=None, database=None, max_examples=300)
@given(LOGS)
def test_a_region_that_lost_a_record_differs(logs: Logs) -> None:
    made = appended(logs)
    whole = [(origin, *record) for origin, records in made.items() for record in records]
    # The last of each origin is kept: what comes behind it tells that this one was passed.
    lost = [place for place, one in enumerate(whole) if one != (one[0], *made[one[0]][-1])]
    for place in lost:
        kept = whole[:place] + whole[place + 1 :]
        found = compare(region("east", whole), region("west", kept))
        assert found.differing == {whole[place][1].user_id}
