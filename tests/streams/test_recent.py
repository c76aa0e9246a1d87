"""An event sent again within two minutes is answered once, in bounded memory."""

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.events import Request
from streams.stages.recent import WINDOW_MS, RecentAsks, recent_ask

NOW_MS = 1_700_000_000_000


def _ask(user_id: str, event_id: str, surface: str) -> int:
    return recent_ask(Request(event_id=event_id, user_id=user_id, at_ms=0, surface=surface))


def test_an_ask_again_within_the_window_is_known() -> None:
    recent = RecentAsks()
    assert recent.add(_ask("kim", "e", "main"), NOW_MS)
    assert not recent.add(_ask("kim", "e", "main"), NOW_MS)
    assert not recent.add(_ask("kim", "e", "main"), NOW_MS + WINDOW_MS)
    assert recent.add(_ask("kim", "e", "main"), NOW_MS + WINDOW_MS + 1)


def test_user_event_and_surface_say_which_ask_it_is() -> None:
    recent = RecentAsks()
    asks = [("kim", "e", "main"), ("kim", "e", "x"), ("kim", "f", "main"), ("ann", "e", "main")]
    assert all(recent.add(_ask(*ask), NOW_MS) for ask in asks)
    assert not any(recent.add(_ask(*ask), NOW_MS) for ask in asks)


def test_what_is_long_ago_is_forgotten() -> None:
    recent = RecentAsks()
    for n in range(1_000):
        recent.add(_ask("kim", f"e{n}", "main"), NOW_MS + n * WINDOW_MS // 10)
        assert len(recent._young) + len(recent._old) <= 22


@settings(max_examples=100, deadline=None, database=None)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, WINDOW_MS)), max_size=60))
def test_it_says_what_a_list_of_all_asks_says(steps: list[tuple[str, int]]) -> None:
    recent = RecentAsks()
    answered: dict[str, int] = {}
    at_ms = NOW_MS
    for event_id, later_ms in steps:
        at_ms += later_ms
        is_new = event_id not in answered or at_ms - answered[event_id] > WINDOW_MS
        assert recent.add(_ask("kim", event_id, "main"), at_ms) == is_new
        if is_new:
            answered[event_id] = at_ms
