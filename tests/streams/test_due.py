"""Which asks are due, by what the logs say; the reading itself is in tests/servers/test_due.py."""

from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.events import Request
from streams.settings import Settings
from streams.stages.asks import Ask, DueAsks, Order, Place
from streams.stages.due import Found, found
from streams.stages.plain import Plain
from streams.stages.recent import WINDOW_MS

NOW_MS = 1_700_000_000_000
START_MS = NOW_MS - 3_600_000
PLAIN = Plain(Settings())


def ask(
    event_id: str, at_ms: int = NOW_MS, user: str = "kim", surface: str = "main", origin: str = "e"
) -> Ask:
    event = Request(event_id=event_id, user_id=user, at_ms=at_ms, surface=surface)
    return Ask(event, origin, at_ms, "user-events", 0)


def _found(asks: Sequence[Ask], answered: dict[Place, Order], start_ms: int = START_MS) -> Found:
    return found(asks, answered, start_ms, PLAIN)


def is_known(what: Found, ask: Ask) -> bool:
    return what.recent.knows(PLAIN.recent_ask(ask.event), ask.appended_at_ms)


def names(asks: Sequence[Ask]) -> list[str]:
    return [ask.event.event_id for ask in asks]


def test_an_ask_without_any_answer_is_due() -> None:
    assert names(_found([ask("a")], {}, START_MS).due) == ["a"]


def test_the_newest_of_a_place_stands_for_those_before_it() -> None:
    asks = [ask("a", NOW_MS), ask("c", NOW_MS + 1, surface="x"), ask("b", NOW_MS + 2)]
    assert sorted(names(_found(asks, {}, START_MS).due)) == ["b", "c"]


def test_an_answer_to_a_newer_cause_answers_those_before_it() -> None:
    asks = [ask("a", NOW_MS), ask("b", NOW_MS), ask("c", NOW_MS), ask("d", NOW_MS + 1)]
    answered = {("kim", "main"): (NOW_MS, "c")}
    what = _found(asks[:3], answered, START_MS)
    assert not what.due
    assert all(is_known(what, one) for one in asks[:3])
    assert names(_found(asks, answered, START_MS).due) == ["d"]


def test_an_answer_counts_for_its_user_and_surface_alone() -> None:
    asks = [ask("a"), ask("b", surface="x"), ask("c", user="ann")]
    answered = {("kim", "main"): (NOW_MS, "a")}
    assert sorted(names(_found(asks, answered, START_MS).due)) == ["b", "c"]


def test_what_was_asked_before_the_start_is_answered() -> None:
    asks = [ask("a", START_MS - 1), ask("b", START_MS)]
    what = _found(asks, {}, START_MS)
    assert names(what.due) == ["b"]
    assert all(is_known(what, one) for one in asks), "sent again, neither is asked anew"


def test_an_event_sent_again_within_two_minutes_is_answered_with_its_first_copy() -> None:
    first, again = ask("a", NOW_MS), ask("a", NOW_MS + WINDOW_MS)
    answered = {("kim", "main"): (NOW_MS, "a")}
    assert not _found([first, again], answered, START_MS).due
    later = ask("a", NOW_MS + WINDOW_MS + 1)
    assert _found([first, again, later], answered, START_MS).due == [later]


def test_a_copy_of_an_ask_from_before_the_start_is_answered_with_it() -> None:
    first, again = ask("a", START_MS - 5), ask("a", START_MS + 5)
    assert not _found([first, again], {}, START_MS).due


def test_copies_of_an_ask_without_an_answer_are_due_once() -> None:
    assert len(_found([ask("a"), ask("a", NOW_MS + 5)], {}, START_MS).due) == 1


ASKS = st.lists(
    st.builds(
        ask,
        event_id=st.sampled_from("abcde"),
        at_ms=st.integers(0, 12).map(lambda step: START_MS + (step - 2) * WINDOW_MS // 3),
        user=st.sampled_from(["kim", "ann"]),
        surface=st.sampled_from(["main", "x"]),
    ),
    max_size=25,
).map(lambda asks: sorted(asks, key=lambda ask: ask.appended_at_ms))
CAUSES = st.dictionaries(
    st.tuples(st.sampled_from(["kim", "ann"]), st.sampled_from(["main", "x"])),
    st.tuples(
        st.integers(0, 12).map(lambda step: START_MS + (step - 2) * WINDOW_MS // 3),
        st.sampled_from("abcde"),
    ),
)


@settings(max_examples=300, deadline=None, database=None)
@given(ASKS, CAUSES)
def test_due_is_what_was_asked_and_not_answered(
    asks: list[Ask], causes: dict[Place, Order]
) -> None:
    """By DESIGN's words: a recommendation answers every ask of its place up to its cause, asks
    before the start have an answer, and a copy within two minutes of an answered one is answered.
    """
    due = {ask.place: ask for ask in _found(asks, dict(causes), START_MS).due}

    def has_answer(ask: Ask) -> bool:
        return ask.appended_at_ms < START_MS or ask.order <= causes.get(ask.place, (-1, ""))

    for at, one in enumerate(asks):
        copies = [
            other
            for other in asks[:at]
            if (other.place, other.event.event_id) == (one.place, one.event.event_id)
            and one.appended_at_ms - other.appended_at_ms <= WINDOW_MS
        ]
        will_be = due.get(one.place)
        if not has_answer(one) and not any(has_answer(copy) for copy in copies):
            assert will_be is not None, "asked, and nobody answers"
            assert one.order <= will_be.order, "the newest of each place is answered"
    for place, one in due.items():
        assert one in asks
        assert one.place == place
        assert not has_answer(one), "answered twice"
    assert len(due) == len(_found(asks, dict(causes), START_MS).due)


def newer(ask: Ask) -> dict[Place, Ask]:
    return {ask.place: ask}


# --- DueAsks: kept until they are answered ---


def test_due_asks_are_taken_oldest_first() -> None:
    due = DueAsks()
    due.replace("e", [ask(user, NOW_MS - n, user) for n, user in enumerate("abcd")])
    assert due.oldest_ms() == {"e": NOW_MS - 3}
    assert names(due.take(3, {})) == ["d", "c", "b"]
    assert due.oldest_ms() == {"e": NOW_MS}
    assert names(due.take(3, {})) == ["a"]
    assert len(due) == 0


def test_a_new_ask_answers_the_one_that_was_due() -> None:
    due = DueAsks()
    due.replace("e", [ask("a"), ask("b", surface="x")])
    assert names(due.take(9, newer(ask("n", NOW_MS + 1)))) == ["b"]
    assert len(due) == 0


def test_what_was_planned_for_an_origin_is_dropped_for_what_the_logs_say() -> None:
    due = DueAsks()
    due.replace("e", [ask("a", user="a")])
    due.replace("w", [ask("b", NOW_MS - 1, user="b", origin="w")])
    assert due.oldest_ms() == {"w": NOW_MS - 1, "e": NOW_MS}
    due.replace("e", [ask("c", NOW_MS + 1, user="c")])
    assert names(due.take(9, {})) == ["b", "c"]


def test_each_origin_has_its_own_asks_for_one_of_them_may_be_lost() -> None:
    due = DueAsks()
    due.replace("e", [ask("a")])
    due.replace("w", [ask("b", NOW_MS - 1, origin="w")])
    due.replace("e", [])
    assert names(due.take(9, {})) == ["b"]


def test_a_newer_ask_of_a_place_answers_those_of_every_origin() -> None:
    due = DueAsks()
    due.replace("e", [ask("a")])
    due.replace("w", [ask("b", NOW_MS - 1, origin="w")])
    assert not due.take(9, newer(ask("n", NOW_MS + 1)))


def test_an_ask_read_later_that_is_older_by_its_clock_answers_none_that_is_due() -> None:
    """A clock stepped back by 30 s, or two were appended in one millisecond."""
    for behind in (ask("z", NOW_MS - 30_000), ask("a", NOW_MS)):
        due = DueAsks()
        due.replace("e", [ask("b")])
        assert names(due.take(9, newer(behind))) == ["b"]


def test_what_is_put_back_stands_by_its_age() -> None:
    due = DueAsks()
    due.put_back([ask("a", user="a"), ask("b", NOW_MS + 5, user="b")])
    due.put_back([ask("c", NOW_MS + 9, user="a")])
    assert due.oldest_ms() == {"e": NOW_MS + 5}
    assert names(due.take(9, {})) == ["b", "c"]
