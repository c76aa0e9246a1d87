"""The lists of digests a partition publishes: whom they name, when, and of which states."""

from collections.abc import Callable, Mapping

import msgspec
import pytest

from schemas.control import StateDigest
from schemas.events import Click
from schemas.state import EMPTY
from streams.region.parity import slice_of
from streams.settings import Settings
from streams.stages import digests as stage
from streams.stages.digests import Digests
from streams.state.digests import state_digest
from streams.state.fold import fold
from streams.state.store import Store
from streams.state.users import Users
from tests.streams.state_records import START_MS, event_of
from tests.streams.test_sample import slate

SLICES = 4
PERIOD_S = 10.0
SETTINGS = Settings(peers=("west",), digest_s=PERIOD_S, digest_slices=SLICES)
FOLDED = {"east": START_MS + 1, "west": START_MS}
NAMES = [f"user-{number}" for number in range(60)]


def click(users: Users, name: str, event_id: str = "e") -> None:
    users.put(name, fold(users.get(name), event_of(Click, event_id), START_MS))


def flush(users: Users, store: Store) -> None:
    store.write([users.flushed(name) for name in list(users.dirty)])


@pytest.fixture
def users(store: Store) -> Users:
    """A third in memory, a third in the store alone, a third in both and changed since."""
    users = Users(store)
    for name in NAMES[20:]:
        click(users, name)
    flush(users, store)
    users.bound(0, lambda _: False)
    click(users, NAMES[0])
    users.bound(0, lambda _: False)  # and who was flushed is let go
    for name in (*NAMES[:20], *NAMES[40:]):
        click(users, name, "later")
    assert users.hot == 40
    return users


def made(
    digests: Digests, users: Users, now_s: float, folded_to: Mapping[str, int] = FOLDED
) -> list[StateDigest]:
    """What comes of looking once a second for as long as it may take."""
    for _ in range(200):
        digests.advance(users, dict(folded_to), now_s)
        if digests.is_ready:
            break
    return [msgspec.json.decode(record.value or b"", type=StateDigest) for record in digests.take()]


@pytest.mark.parametrize("at_once", [1, 7, 10_000])
def test_a_rotation_lists_every_user_once_with_the_digest_of_his_state(
    users: Users, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(stage, "_USERS_AT_ONCE", at_once)
    digests = Digests(SETTINGS, 3)
    found: dict[str, str] = {}
    for turn in range(SLICES):
        for _ in range(200):
            digests.advance(users, dict(FOLDED), PERIOD_S * turn)
        (record,) = digests.take()
        one = msgspec.json.decode(record.value or b"", type=StateDigest)
        assert (one.region, one.partition, one.slice) == ("east", 3, turn)
        assert one.folded_to == FOLDED
        assert {slice_of(user.user, SLICES) for user in one.users} <= {turn}
        assert all(user.newest_ms == START_MS for user in one.users)
        found |= {user.user: user.digest for user in one.users}
    assert found == {name: state_digest(users.get(name)) for name in NAMES}
    assert all(users.get(name) != EMPTY for name in NAMES)


@pytest.mark.parametrize("at_once", [20, 100_000])
def test_when_a_rotation_is_asked_for_every_user_is_listed_at_once(
    users: Users, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    """In the same turn of the clock; some slices together, or all of them."""
    monkeypatch.setattr(stage, "_USERS_LISTED", at_once)
    digests = Digests(SETTINGS, 3)
    (first,) = made(digests, users, PERIOD_S)
    found: list[StateDigest] = []
    for _ in range(200):
        digests.advance(users, dict(FOLDED), PERIOD_S, rotation_ms=9_000)
        found += (
            msgspec.json.decode(record.value or b"", type=StateDigest) for record in digests.take()
        )
    assert sorted(one.slice for one in found) == list(range(SLICES))
    listed = {user.user: user.digest for one in found for user in one.users}
    assert listed == {name: state_digest(users.get(name)) for name in NAMES}
    assert {one.slice: one.users for one in found}[first.slice] == first.users


def test_a_rotation_that_is_asked_for_does_not_wait_for_the_clock(users: Users) -> None:
    """Where every look is at another turn."""
    digests = Digests(SETTINGS, 3)
    found: list[int] = []
    for turn in range(1, 4):
        digests.advance(users, dict(FOLDED), PERIOD_S * turn, rotation_ms=9_000)
        while digests.is_ready:
            (record,) = digests.take()
            found.append(msgspec.json.decode(record.value or b"", type=StateDigest).slice)
    assert found == list(range(SLICES))


def test_a_rotation_that_was_asked_for_long_ago_is_not_made_again(users: Users) -> None:
    """By whoever holds the partition since a moment."""
    digests = Digests(SETTINGS, 3)
    now_s = PERIOD_S * 1_000
    assert made(digests, users, now_s)
    for _ in range(200):
        digests.advance(users, dict(FOLDED), now_s, rotation_ms=9_000)
    assert not digests.is_ready


def test_looking_makes_nobody_hot(users: Users) -> None:
    before = users.hot
    assert made(Digests(SETTINGS, 0), users, 0.0)
    assert users.hot == before


def test_a_slice_is_listed_once_a_turn(users: Users) -> None:
    digests = Digests(SETTINGS, 0)
    assert made(digests, users, 1.0)
    assert not made(digests, users, 9.0)
    assert made(digests, users, 10.0)


def test_a_list_says_no_more_than_was_folded_when_it_was_begun(
    users: Users, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stage, "_USERS_AT_ONCE", 1)
    digests = Digests(SETTINGS, 0)
    digests.advance(users, dict(FOLDED), 0.0)
    (one,) = made(digests, users, 0.0, {"east": START_MS + 99, "west": START_MS + 99})
    assert one.folded_to == FOLDED


def test_nobody_lists_where_there_is_no_peer_or_nothing_was_folded(users: Users) -> None:
    alone = SETTINGS.model_copy(update={"peers": ()})
    assert not made(Digests(alone, 0), users, 0.0)
    assert not made(Digests(SETTINGS, 0), users, 0.0, {})


def test_a_list_that_no_record_can_hold_is_left_out_with_a_sentence(
    open_store: Callable[..., Store], caplog: pytest.LogCaptureFixture
) -> None:
    users = Users(open_store("many"))
    state = fold(EMPTY, event_of(Click, "e"), START_MS)
    for number in range(9_000):
        users.put(f"{number:0128d}", state)
    settings = SETTINGS.model_copy(update={"digest_slices": 1})
    assert not made(Digests(settings, 0), users, 0.0)
    assert "raise TIDEMILL_DIGEST_SLICES" in caplog.text


def test_slates_of_the_sample_ride_along_once(users: Users) -> None:
    waiting = [[slate("e1"), slate("e2")], []]
    digests = Digests(SETTINGS, 0, lambda: waiting.pop(0))
    (first,) = made(digests, users, 0.0)
    assert first.slates == [slate("e1"), slate("e2")]
    (second,) = made(digests, users, PERIOD_S)
    assert second.slates == []


def test_users_come_before_slates_where_a_record_cannot_hold_both(
    open_store: Callable[..., Store],
) -> None:
    users = Users(open_store("many"))
    state = fold(EMPTY, event_of(Click, "e"), START_MS)
    for number in range(4_300):
        users.put(f"{number:0128d}", state)
    settings = SETTINGS.model_copy(update={"digest_slices": 1})
    (one,) = made(Digests(settings, 0, lambda: [slate("e")] * 200), users, 0.0)
    assert len(one.users) == 4_300
    assert one.slates == []
    (other,) = made(Digests(settings, 0, lambda: [slate("e")]), users, 0.0)
    assert other.slates == [slate("e")]
