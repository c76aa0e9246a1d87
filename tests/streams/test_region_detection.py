"""When a machine may give a region up: both observers have lost it, and both can see."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.region.detection import FRESH_S, View, rates, why_not_automatic

NOW_S, AFTER_S = 1_000.0, 10.0
OUTSIDE = View(observer="outside", since_s=0, looked_s=NOW_S, heard_s=NOW_S - 20)
PEER = View(observer="west", since_s=0, looked_s=NOW_S, heard_s=NOW_S - 20)


def said(outside: View = OUTSIDE, peer: View = PEER) -> str:
    return "; ".join(_why_not(outside, peer))


def test_a_region_that_both_have_lost_is_given_up() -> None:
    assert not said()


@pytest.mark.parametrize(
    ("outside", "peer", "reason"),
    [
        pytest.param(
            replace(OUTSIDE, heard_s=NOW_S), PEER, "outside heard east 0.0 s ago", id="link cut"
        ),
        pytest.param(
            OUTSIDE, replace(PEER, heard_s=NOW_S - 0.5), "west heard east 0.5 s ago",
            id="cut from outside alone",
        ),
        pytest.param(
            replace(OUTSIDE, heard_s=NOW_S - 9.9), PEER, "outside heard east 9.9 s ago",
            id="too soon",
        ),
        pytest.param(
            OUTSIDE, replace(PEER, looked_s=NOW_S - 6), "west could not look at east for 6.0 s",
            id="the peer is gone too",
        ),
        pytest.param(
            replace(OUTSIDE, looked_s=NOW_S - 6), PEER, "outside could not look at east for 6.0 s",
            id="the outside sees nobody",
        ),
        pytest.param(
            replace(OUTSIDE, since_s=NOW_S - 5), PEER, "outside has looked at east for 5.0 s only",
            id="the outside has just begun to look",
        ),
        pytest.param(
            OUTSIDE, replace(PEER, since_s=NOW_S - 1, heard_s=None),
            "west has looked at east for 1.0 s only",
            id="the peer never heard it and has just begun",
        ),
    ],
)  # fmt: skip
def test_one_that_only_one_has_lost_is_not(outside: View, peer: View, reason: str) -> None:
    assert said(outside, peer) == reason


def test_one_that_nobody_ever_heard_is_given_up_in_time() -> None:
    """It may have died before the watch began."""
    assert not said(replace(OUTSIDE, heard_s=None), replace(PEER, heard_s=None))


TIMES = st.floats(0, NOW_S)


@given(TIMES, TIMES, TIMES, TIMES)
def test_never_while_either_hears_it(
    since_s: float, looked_s: float, heard_s: float, lost_s: float
) -> None:
    """The asymmetric cut, whichever way and however long: who hears it holds the other back."""
    lost = replace(OUTSIDE, heard_s=lost_s)
    hears = View(
        observer="west", since_s=min(since_s, looked_s), looked_s=looked_s,
        heard_s=max(heard_s, looked_s),
    )  # fmt: skip
    expected = "west heard east" if NOW_S - looked_s <= FRESH_S else "west could not look at east"
    assert any(reason.startswith(expected) for reason in _why_not(lost, hears))
    assert _why_not(hears, lost), "as the outside, too"


def _why_not(outside: View, peer: View) -> list[str]:
    return why_not_automatic("east", outside, peer, after_s=AFTER_S, now_s=NOW_S)


def test_a_rate_is_of_what_was_appended_between_two_looks() -> None:
    assert rates({0: 10, 1: 5}, {0: 30, 1: 5, 2: 7}, 2.0) == {0: 10.0, 1: 0.0, 2: 0.0}
    assert rates({0: 10}, {0: 3}, 1.0) == {0: 0.0}, "a topic that was made again"
