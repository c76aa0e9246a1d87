"""An event sent again within two minutes is answered once, in bounded memory."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.events import Request
from streams import native
from streams.native.contract import Recent
from streams.stages.recent import WINDOW_MS, RecentAsks, recent_ask

NOW_MS = 1_700_000_000_000
Ask = Callable[[str, str, str], int]
New = Callable[[], tuple[Recent, Ask]]


def python() -> tuple[Recent, Ask]:
    def ask(user_id: str, event_id: str, surface: str) -> int:
        return recent_ask(Request(event_id=event_id, user_id=user_id, at_ms=0, surface=surface))

    return RecentAsks(), ask


def compiled() -> tuple[Recent, Ask]:
    if (missing := native.unavailable()) is not None:
        pytest.skip(missing)
    return native.native().RecentAsks(), native.native().recent_ask


BOTH = pytest.mark.parametrize("new", [python, compiled])


@BOTH
def test_an_ask_again_within_the_window_is_known(new: New) -> None:
    recent, ask = new()
    assert recent.add(ask("kim", "e", "main"), NOW_MS)
    assert not recent.add(ask("kim", "e", "main"), NOW_MS)
    assert not recent.add(ask("kim", "e", "main"), NOW_MS + WINDOW_MS)
    assert recent.add(ask("kim", "e", "main"), NOW_MS + WINDOW_MS + 1)


@BOTH
def test_user_event_and_surface_say_which_ask_it_is(new: New) -> None:
    recent, ask = new()
    asks = [("kim", "e", "main"), ("kim", "e", "x"), ("kim", "f", "main"), ("ann", "e", "main")]
    assert all(recent.add(ask(*one), NOW_MS) for one in asks)
    assert not any(recent.add(ask(*one), NOW_MS) for one in asks)


@BOTH
def test_what_is_long_ago_is_forgotten(new: New) -> None:
    recent, ask = new()
    for n in range(1_000):
        recent.add(ask("kim", f"e{n}", "main"), NOW_MS + n * WINDOW_MS // 10)
        assert len(recent) <= 22


@BOTH
@settings(max_examples=100, deadline=None, database=None)
@given(steps=st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, WINDOW_MS)), max_size=60))
def test_it_says_what_a_list_of_all_asks_says(new: New, steps: list[tuple[str, int]]) -> None:
    recent, ask = new()
    answered: dict[str, int] = {}
    at_ms = NOW_MS
    for event_id, later_ms in steps:
        at_ms += later_ms
        is_new = event_id not in answered or at_ms - answered[event_id] > WINDOW_MS
        assert recent.add(ask("kim", event_id, "main"), at_ms) == is_new
        if is_new:
            answered[event_id] = at_ms
