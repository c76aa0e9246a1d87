"""How long late asks wait for the model."""

from hypothesis import given
from hypothesis import strategies as st

from streams.scoring.patience import Patience

BOUND_S = 60.0
lags = st.floats(min_value=0, max_value=1e6)


def lasts(*lags_s: float | None) -> list[bool]:
    patience = Patience(BOUND_S)
    return [patience.lasts(lag_s) for lag_s in lags_s]


@given(lag_s=lags, steps=st.lists(st.floats(min_value=0, max_value=100)))
def test_lag_that_falls_never_ends_it_however_high_it_was(lag_s: float, steps: list[float]) -> None:
    falling = [lag_s]
    for step in steps:
        falling.append(max(0.0, falling[-1] - step))
    assert all(lasts(*falling))


@given(start_s=lags, rises=st.lists(st.floats(min_value=0, max_value=BOUND_S)))
def test_lag_may_rise_by_the_bound(start_s: float, rises: list[float]) -> None:
    assert all(lasts(start_s, *(start_s + rise * 0.999 for rise in rises)))


def test_lag_that_keeps_growing_ends_it_until_nothing_is_late() -> None:
    patience = Patience(BOUND_S)
    assert patience.lasts(1)
    assert patience.lasts(1 + BOUND_S)
    assert not patience.lasts(2 + BOUND_S)
    assert patience.is_over
    assert not patience.lasts(0.5), "the fallback goes on until the partition has caught up"
    assert patience.lasts(None)
    assert patience.lasts(500), "what was before that does not count"


def test_growth_is_counted_from_the_lowest() -> None:
    assert lasts(500, 100, 100 + BOUND_S, 101 + BOUND_S) == [True, True, True, False]
