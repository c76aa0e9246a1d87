"""The states of a partition, and digests that do not depend on the order of arrival."""

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.events import Click, Request
from schemas.state import EMPTY
from streams.state.fold import fold
from streams.state.partition import Users, state_digest
from tests.streams.state_records import START_MS, event_of


def clicked(number: int) -> Users:
    users = Users()
    for n in range(number):
        users.put(f"user-{n}", fold(EMPTY, event_of(Click, f"e{n}"), START_MS))
    return users


def test_who_is_not_known_has_the_empty_state() -> None:
    users = Users()
    assert users.get("ann") is EMPTY
    assert "ann" not in users
    assert len(users) == 0


def test_a_state_that_was_put_is_there() -> None:
    users = clicked(3)
    assert len(users) == 3
    assert set(users) == {"user-0", "user-1", "user-2"}
    assert "user-1" in users
    assert next(users.get("user-1").interactions()).time_ms == START_MS


def test_who_only_asked_is_not_kept() -> None:
    users = Users()
    users.put("ann", fold(users.get("ann"), event_of(Request, "e"), START_MS))
    assert "ann" not in users
    assert users.whole_digest() == Users().whole_digest()


def test_a_digest_is_16_hex_digits_of_the_bytes() -> None:
    users = clicked(2)
    assert users.digest("user-0") == state_digest(users.get("user-0"))
    assert len(bytes.fromhex(users.digest("user-0"))) == 8
    assert users.digest("user-0") != users.digest("user-1")


@settings(deadline=None, database=None)
@given(st.permutations(range(8)))
def test_the_whole_digest_does_not_depend_on_the_order(order: list[int]) -> None:
    users, shuffled = clicked(8), Users()
    for n in order:
        shuffled.put(f"user-{n}", users.get(f"user-{n}"))
    assert shuffled.whole_digest() == users.whole_digest()


def test_the_whole_digest_sees_a_missing_a_changed_and_a_swapped_user() -> None:
    digests = {clicked(number).whole_digest() for number in range(4)}
    changed, swapped = clicked(3), clicked(3)
    changed.put("user-0", fold(changed.get("user-0"), event_of(Click, "more"), START_MS))
    one, other = swapped.get("user-0"), swapped.get("user-1")
    swapped.put("user-0", other)
    swapped.put("user-1", one)
    digests |= {changed.whole_digest(), swapped.whole_digest()}
    assert len(digests) == 6
    assert all(len(bytes.fromhex(digest)) == 16 for digest in digests)
