"""What each kind of event does to a user's state, case by case."""

import msgspec
import pytest

from schemas.codec import EventDecoder, encode
from schemas.events import (
    EVENT_TYPES,
    AnyEvent,
    Cart,
    Chat,
    Click,
    Erase,
    Follow,
    Hide,
    Impression,
    Purchase,
    Rating,
    Request,
    Search,
    Uncart,
    Unfollow,
    Unhide,
    View,
)
from schemas.identifiers import event_hash, item_hash, user_hash
from schemas.state import EMPTY, HISTORY_LIMIT, MAPS, Interaction, Mark
from streams.state.digests import state_digest
from streams.state.fold import FAST_CLOCK_MS, FOLD_DIGEST, fold
from streams.state.join import join
from tests.schemas.strategies import with_unknown
from tests.streams.state_records import START_MS, Rec, event_of, folded

T = START_MS


@pytest.mark.parametrize("kind", [View, Click, Cart, Uncart, Hide, Unhide])
def test_a_plain_interaction_is_remembered(kind: type) -> None:
    state = fold(EMPTY, event_of(kind, "e1", item=7), T + 5)
    code = {View: 1, Click: 2, Cart: 3, Uncart: 4, Hide: 5, Unhide: 6}[kind]
    entry = Interaction(T, event_hash("e1"), code, 0, item_hash("i7"))
    assert list(state.interactions()) == [entry]
    assert state.newest_appended_ms == T + 5


@pytest.mark.parametrize(("quantity", "value"), [(1, 1), (3, 3), (65_535, 65_535), (10**6, 65_535)])
def test_a_purchase_is_remembered_with_its_quantity(quantity: int, value: int) -> None:
    event = Purchase(event_id="e", user_id="ann", at_ms=T, item_id="i", quantity=quantity)
    (entry,) = fold(EMPTY, event, T).interactions()
    assert (entry.kind, entry.value) == (7, value)


@pytest.mark.parametrize(
    ("value", "scale", "coded"),
    [
        (0, 5, 0),
        (5, 5, 65_535),
        (2.5, 5, 32_768),
        (1, 10, 6_554),
        (7, 5, 65_535),
        (1e308, 5e-324, 65_535),
        (5e-324, 1e308, 0),
    ],
)
def test_a_rating_is_remembered_as_a_part_of_its_scale(
    value: float, scale: float, coded: int
) -> None:
    event = Rating(event_id="e", user_id="ann", at_ms=T, item_id="i", value=value, scale=scale)
    (entry,) = fold(EMPTY, event, T).interactions()
    assert (entry.kind, entry.value) == (8, coded)


@pytest.mark.parametrize(
    ("kind", "marks"),
    [
        (View, {}),
        (Click, {}),
        (Rating, {}),
        (Impression, {"seen": 1}),
        (Cart, {"cart": 1}),
        (Uncart, {"cart": 0}),
        (Purchase, {"bought": 1, "cart": 0}),
        (Hide, {"hidden": 1}),
        (Unhide, {"hidden": 0}),
        (Follow, {"followed": 1}),
        (Unfollow, {"followed": 0}),
    ],
)
def test_the_marks_of_each_kind(kind: type, marks: dict[str, int]) -> None:
    state = fold(EMPTY, event_of(kind, "e", item=7), T)
    key = user_hash("u7") if kind in {Follow, Unfollow} else item_hash("i7")
    for name in MAPS:
        expected = [Mark(T, key, marks[name])] if name in marks else []
        assert list(state.marks(name)) == expected, name


@pytest.mark.parametrize("kind", [Impression, Follow, Unfollow])
def test_what_only_marks_is_not_in_the_history(kind: type) -> None:
    assert not fold(EMPTY, event_of(kind, "e"), T).history


@pytest.mark.parametrize("kind", [Search, Chat, Request])
def test_what_only_asks_changes_nothing_at_all(kind: type) -> None:
    state = fold(EMPTY, event_of(Click, "e1"), T)
    assert fold(state, event_of(kind, "e2", at_ms=T + 9), T + 10) is state
    assert fold(EMPTY, event_of(kind, "e2"), T) is EMPTY


@pytest.mark.parametrize("kind", EVENT_TYPES)
def test_every_kind_folds_and_the_second_time_changes_nothing(kind: type) -> None:
    once = fold(EMPTY, event_of(kind, "e"), T)
    assert fold(once, event_of(kind, "e"), T) is once


@pytest.mark.parametrize("kind", EVENT_TYPES)
def test_an_event_read_from_bytes_folds_as_the_one_that_was_written(kind: type) -> None:
    event, decoder = event_of(kind, "e", item=7), EventDecoder()
    state = fold(EMPTY, event, T)
    assert fold(EMPTY, decoder.decode(encode(event)), T) == state
    assert fold(EMPTY, decoder.decode(with_unknown(event, 1)), T) == state


def test_a_fast_clock_cannot_own_the_future() -> None:
    fast = event_of(Click, "e", at_ms=T + 12 * 3_600_000)
    (entry,) = fold(EMPTY, fast, T).interactions()
    assert entry.time_ms == T + FAST_CLOCK_MS


def test_of_two_copies_the_later_one_is_remembered_whichever_comes_first() -> None:
    early, late = event_of(Click, "e", item=1), event_of(View, "e", item=2, at_ms=T + 1)
    for copies in ([early, late], [late, early], [early, late, early]):
        state = folded([Rec(copy) for copy in copies])
        assert [entry.item for entry in state.interactions()] == [item_hash("i2")]


def test_of_two_copies_at_one_time_the_larger_content_is_remembered() -> None:
    a, b = event_of(View, "e", item=9), event_of(Click, "e", item=1)
    for copies in ([a, b], [b, a]):
        assert [entry.kind for entry in folded([Rec(c) for c in copies]).interactions()] == [2]


def test_a_copy_moves_to_its_place_also_when_it_is_the_newest() -> None:
    log = [Rec(event_of(Click, f"e{n}", item=n, at_ms=T + n)) for n in range(5)]
    state = folded([*log, Rec(event_of(Click, "e1", item=1, at_ms=T + 9))])
    items = [item_hash(f"i{n}") for n in (0, 2, 3, 4, 1)]
    assert [entry.item for entry in state.interactions()] == items


def test_a_copy_that_lost_still_counts_in_the_maps() -> None:
    bought = event_of(Purchase, "e", item=1)
    state = folded([Rec(event_of(View, "e", item=2, at_ms=T + 1)), Rec(bought)])
    assert [entry.item for entry in state.interactions()] == [item_hash("i2")]
    assert state.flagged("bought") == {item_hash("i1")}


def test_what_was_trimmed_from_the_history_still_counts_in_the_maps() -> None:
    newer = [Rec(event_of(View, f"e{n}", at_ms=T + 1 + n)) for n in range(HISTORY_LIMIT)]
    state = folded([*newer, Rec(event_of(Purchase, "old", item=5))])
    assert len(list(state.interactions())) == HISTORY_LIMIT
    assert state.flagged("bought") == {item_hash("i5")}


def test_an_event_whose_newer_copy_was_trimmed_does_not_come_back() -> None:
    newer = [Rec(event_of(View, f"e{n}", at_ms=T + 5 + n)) for n in range(HISTORY_LIMIT)]
    state = folded([Rec(event_of(Click, "x", at_ms=T + 2)), *newer])
    assert folded([Rec(event_of(Click, "x", at_ms=T + 1))], state) == state


def test_the_latest_flag_of_a_key_counts() -> None:
    log = [
        Rec(event_of(Cart, "e1", item=3)),
        Rec(event_of(Uncart, "e2", item=3, at_ms=T + 2)),
        Rec(event_of(Cart, "e3", item=3, at_ms=T + 1)),
    ]
    assert folded(log).flagged("cart") == set()
    assert folded([*log, Rec(event_of(Cart, "e4", item=3, at_ms=T + 3))]).flagged("cart")


def test_of_two_flags_at_one_time_the_larger_counts() -> None:
    log = [Rec(event_of(Cart, "e1", item=3)), Rec(event_of(Uncart, "e2", item=3))]
    assert folded(log) == folded(log[::-1])
    assert folded(log).flagged("cart") == {item_hash("i3")}


def test_an_erasure_forgets_up_to_its_append_time() -> None:
    log = [Rec(event_of(Purchase, f"e{n}", item=n, at_ms=T + n), T + n) for n in range(6)]
    state = folded([*log, Rec(event_of(Erase, "x"), T + 3)])
    assert state.erased_to_ms == T + 3
    assert [entry.time_ms for entry in state.interactions()] == [T + 4, T + 5]
    assert state.flagged("bought") == {item_hash("i4"), item_hash("i5")}


def test_what_was_erased_does_not_come_back_late() -> None:
    erased = fold(EMPTY, event_of(Erase, "x"), T + 3)
    late = fold(erased, event_of(Purchase, "e", at_ms=T + 3), T + 99)
    assert not late.history
    assert not any(late.maps)
    assert late.newest_appended_ms == T + 99


def test_an_older_erasure_takes_nothing_back() -> None:
    erased = fold(EMPTY, event_of(Erase, "x"), T + 3)
    assert fold(erased, event_of(Erase, "y"), T + 1) is erased


def test_a_pattern_that_looks_like_an_id_is_not_one() -> None:
    """The bytes of an item that equal an event's hash must not be taken for the event."""
    event, item = event_of(Click, "same", item=1), event_of(Click, "other", at_ms=T + 1)
    looks = msgspec.structs.replace(item, item_id="same")
    assert item_hash("same") == event_hash("same")
    for log in ([Rec(looks), Rec(event)], [Rec(event), Rec(looks)]):
        assert len(list(folded(log).interactions())) == 2


def test_a_join_brings_a_state_that_is_not_in_the_normal_form_into_it() -> None:
    state = folded([Rec(event_of(Cart, f"e{n}", item=n, at_ms=T + n)) for n in range(4)])
    width = len(state.history) // 4
    entries = [state.history[at : at + width] for at in range(0, len(state.history), width)]
    untidy = msgspec.structs.replace(state, history=b"".join([*entries[::-1], entries[0]]))
    assert join(untidy, EMPTY) == state


def _pinned_log() -> list[Rec]:
    kinds: list[AnyEvent] = [
        event_of(kind, f"e{n}", item=n % 7, at_ms=T + n * 1000, value=n)
        for n, kind in enumerate((*EVENT_TYPES[:-1], *EVENT_TYPES[:-1]))
    ]
    return [*(Rec(event, T + 60_000) for event in kinds), Rec(event_of(Erase, "x"), T + 4_000)]


def test_the_same_events_give_the_bytes_they_always_gave() -> None:
    """Fails when the layout, a bound or a rule changes: then raise FOLD_VERSION (a rule),
    BOUNDS_VERSION or FORMAT in schemas.state, and pin the new values.
    """
    assert FOLD_DIGEST == "a745b422137cde97"
    assert state_digest(folded(_pinned_log())) == "9b56b127de119e40"
