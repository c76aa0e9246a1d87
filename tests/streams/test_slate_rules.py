"""Each rule of the slate by itself."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.state import UserState
from streams.scoring.candidates import Candidate
from streams.slate.diversity import spread
from streams.slate.exploration import RESERVES, explore
from streams.slate.filters import excluded
from streams.slate.repeats import REPEAT_WINDOW_MS, ignored, moved_down
from tests.streams.user_states import NOW_MS, state_of

HOUR_MS = 3_600_000


def ranked(count: int) -> list[Candidate]:
    return [Candidate(code, 1 / code, "transitions") for code in range(1, count + 1)]


def codes(candidates: list[Candidate]) -> list[int]:
    return [candidate.item for candidate in candidates]


@pytest.mark.parametrize(
    ("state", "items"),
    [
        (state_of(), set()),
        (state_of([("view", 1, 5)]), set()),
        (state_of([("click", 1, 5), ("cart", 2, 6), ("purchase", 3, 7), ("rating", 4, 8)]),
         {1, 2, 3, 4}),
        (state_of([("cart", 1, 5), ("uncart", 1, 6)]), set()),
        (state_of([("uncart", 1, 5), ("cart", 1, 6)]), {1}),
        (state_of([("click", 1, 5), ("view", 1, 6)]), {1}),
        (state_of(hidden={1: (5, 1), 2: (5, 0)}), {1}),
        (state_of(bought={1: (5, 1)}, cart={2: (5, 1), 3: (5, 0)}), {1, 2}),
        (state_of(seen={1: (5, 1)}, followed={2: (5, 1)}), set()),
    ],
)  # fmt: skip
def test_excluded(state: UserState, items: set[int]) -> None:
    assert excluded(state) == items


@pytest.mark.parametrize(
    ("state", "ages"),
    [
        (state_of(seen={1: (NOW_MS - 5, 1)}), {1: 5}),
        (state_of(seen={1: (NOW_MS + 5, 1)}), {1: 0}),
        (state_of(seen={1: (NOW_MS - REPEAT_WINDOW_MS, 1)}), {}),
        (state_of(seen={1: (NOW_MS - 5, 0)}), {}),
        (state_of([("view", 1, NOW_MS - 5)], seen={1: (NOW_MS - 5, 1)}), {}),
        (state_of([("view", 1, NOW_MS - 6)], seen={1: (NOW_MS - 5, 1)}), {1: 5}),
        (state_of([("view", 2, NOW_MS)], seen={1: (NOW_MS - 5, 1)}), {1: 5}),
    ],
)
def test_ignored(state: UserState, ages: dict[int, int]) -> None:
    assert ignored(state, NOW_MS) == ages


def test_what_was_just_shown_falls_by_a_slate_and_rises_again() -> None:
    assert codes(moved_down(ranked(6), {1: 0}, 3)) == [2, 3, 4, 1, 5, 6]
    assert codes(moved_down(ranked(6), {1: REPEAT_WINDOW_MS // 2}, 4)) == [2, 3, 1, 4, 5, 6]
    assert codes(moved_down(ranked(6), {1: REPEAT_WINDOW_MS - 1}, 4)) == [1, 2, 3, 4, 5, 6]
    assert codes(moved_down(ranked(3), {}, 4)) == [1, 2, 3]
    # Where all were shown, all fall alike.
    assert codes(moved_down(ranked(4), dict.fromkeys(range(1, 5), HOUR_MS), 4)) == [1, 2, 3, 4]


def test_a_whole_slate_shown_makes_room_for_the_next() -> None:
    shown = dict.fromkeys(range(1, 6), 0)
    assert codes(moved_down(ranked(10), shown, 5)[:5]) == [6, 1, 7, 2, 8]


def category_of(candidate: Candidate) -> str | None:
    """Every fourth item is of category 'rare', every fifth of none, the rest of 'usual'."""
    if candidate.item % 5 == 0:
        return None
    return "rare" if candidate.item % 4 == 0 else "usual"


def test_no_category_takes_more_than_its_share_while_there_are_others() -> None:
    spread_out = spread(ranked(12), category_of, 4, 0.5)
    assert codes(spread_out) == [1, 2, 4, 5, 3, 6, 7, 8, 9, 10, 11, 12]
    assert codes(spread(ranked(3), lambda _: "one", 3, 0.1)) == [1, 2, 3]
    assert codes(spread(ranked(3), lambda _: None, 3, 0.0)) == [1, 2, 3]


@given(st.integers(0, 30), st.integers(1, 12), st.floats(0, 1))
def test_spreading_loses_nothing_and_keeps_the_cap(count: int, limit: int, share: float) -> None:
    spread_out = spread(ranked(count), category_of, limit, share)
    assert sorted(codes(spread_out)) == list(range(1, count + 1))
    most = max(1, int(limit * share))
    taken = Counter(category_of(candidate) for candidate in spread_out[:limit])
    if taken["usual"] > most:  # only because nothing else was left
        assert all(category_of(candidate) == "usual" for candidate in spread_out[limit:]) or (
            taken["rare"] >= most
        )


@pytest.mark.parametrize(("count", "limit", "rate"), [(9, 5, 0.6), (40, 4, 1.0), (3, 1, 0.5)])
def test_propensities_are_the_frequencies_of_a_simulation(
    count: int, limit: int, rate: float
) -> None:
    draws = 60_000
    stood: Counter[tuple[int, int]] = Counter()
    claimed: dict[tuple[int, int], float] = {}
    for number in range(draws):
        placed = explore(ranked(count), limit, rate, f"recommendation-{number}")
        assert len({each.candidate.item for each in placed}) == limit
        for place, each in enumerate(placed):
            stood[place, each.candidate.item] += 1
            assert claimed.setdefault((place, each.candidate.item), each.propensity) == (
                each.propensity
            )
    for where, propensity in claimed.items():
        deviation = (propensity * (1 - propensity) / draws) ** 0.5
        assert stood[where] / draws == pytest.approx(propensity, abs=5 * deviation + 1e-9)
    # All that could have stood at a place add up to one.
    lower, reserves = limit - limit // 2, min(RESERVES, count - limit)
    for place in range(limit):
        total = sum(p for (at, _), p in claimed.items() if at == place)
        could = total + (1 - rate / lower if (place, place + 1) not in claimed else 0)
        assert could == pytest.approx(1)
        swapped = sum(at == place and item > limit for at, item in claimed)
        assert swapped == (reserves if place >= limit // 2 else 0)


@pytest.mark.parametrize(("count", "rate"), [(5, 1.0), (3, 1.0), (9, 0.0), (0, 1.0)])
def test_without_reserves_or_rate_nothing_is_swapped(count: int, rate: float) -> None:
    for number in range(50):
        placed = explore(ranked(count), 5, rate, str(number))
        assert codes([each.candidate for each in placed]) == codes(ranked(count)[:5])
        assert all(each.propensity == 1 for each in placed)


@pytest.mark.parametrize("rate", [-0.1, 1.1, float("nan")])
def test_a_rate_that_is_no_probability_is_refused(rate: float) -> None:
    with pytest.raises(ValueError, match="not a probability"):
        explore(ranked(9), 5, rate, "r")
