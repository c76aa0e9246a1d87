"""An event sent again within two minutes is answered once, in bounded memory."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams import native
from streams.native.contract import Recent
from streams.stages.recent import WINDOW_MS, RecentAsks

NOW_MS = 1_700_000_000_000
New = Callable[[], Recent]


def compiled() -> Recent:
    if (missing := native.unavailable()) is not None:
        pytest.skip(missing)
    return native.native().RecentAsks()


BOTH = pytest.mark.parametrize("new", [RecentAsks, compiled], ids=["python", "compiled"])


@BOTH
def test_an_ask_again_within_the_window_is_known(new: New) -> None:
    recent = new()
    assert recent.add("kim", "e", "main", NOW_MS)
    assert not recent.add("kim", "e", "main", NOW_MS)
    assert not recent.add("kim", "e", "main", NOW_MS + WINDOW_MS)
    assert recent.add("kim", "e", "main", NOW_MS + WINDOW_MS + 1)


@BOTH
def test_user_event_and_surface_say_which_ask_it_is(new: New) -> None:
    recent = new()
    asks = [("kim", "e", "main"), ("kim", "e", "x"), ("kim", "f", "main"), ("ann", "e", "main")]
    assert all(recent.add(*ask, NOW_MS) for ask in asks)
    assert not any(recent.add(*ask, NOW_MS) for ask in asks)


@BOTH
def test_what_is_long_ago_is_forgotten(new: New) -> None:
    recent = new()
    for n in range(1_000):
        recent.add("kim", f"e{n}", "main", NOW_MS + n * WINDOW_MS // 10)
        assert len(recent) <= 22


@BOTH
@settings(max_examples=100, deadline=None, database=None)
@given(steps=st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, WINDOW_MS)), max_size=60))
def test_it_says_what_a_list_of_all_asks_says(new: New, steps: list[tuple[str, int]]) -> None:
    recent = new()
    answered: dict[str, int] = {}
    at_ms = NOW_MS
    for event_id, later_ms in steps:
        at_ms += later_ms
        is_new = event_id not in answered or at_ms - answered[event_id] > WINDOW_MS
        assert recent.add("kim", event_id, "main", at_ms) == is_new
        if is_new:
            answered[event_id] = at_ms
