"""Digests of states: the same for the same users with the same states, in whatever order."""

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.events import Click
from schemas.state import EMPTY, UserState
from streams.state.digests import state_digest, whole_digest
from streams.state.fold import fold
from tests.streams.state_records import START_MS, event_of


def clicked(number: int) -> dict[str, UserState]:
    return {f"user-{n}": fold(EMPTY, event_of(Click, f"e{n}"), START_MS) for n in range(number)}


def test_a_digest_is_16_hex_digits_of_the_bytes() -> None:
    users = clicked(2)
    digests = {state_digest(state) for state in users.values()}
    assert len(digests) == 2
    assert all(len(bytes.fromhex(digest)) == 8 for digest in digests)


@settings(deadline=None, database=None)
@given(st.permutations(range(8)))
def test_the_whole_digest_does_not_depend_on_the_order(order: list[int]) -> None:
    users = list(clicked(8).items())
    assert whole_digest(users[n] for n in order) == whole_digest(users)


def test_the_whole_digest_sees_a_missing_a_changed_and_a_swapped_user() -> None:
    digests = {whole_digest(clicked(number).items()) for number in range(4)}
    users = clicked(3)
    changed = users | {"user-0": fold(users["user-0"], event_of(Click, "more"), START_MS)}
    swapped = users | {"user-0": users["user-1"], "user-1": users["user-0"]}
    digests |= {whole_digest(changed.items()), whole_digest(swapped.items())}
    assert len(digests) == 6
    assert all(len(bytes.fromhex(digest)) == 16 for digest in digests)
