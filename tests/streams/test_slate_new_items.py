"""New items in a slate: what they are worth, and that they get their share and no more."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.releases import TextSpace
from schemas.state import EMPTY
from streams.catalogue.items import Item
from streams.catalogue.vectors import Held
from streams.scoring.candidates import Candidate
from streams.slate.choose import Policy, choose
from streams.slate.new_items import SOURCE, by_score, given_places, new_candidates
from tests.streams.user_states import NOW_MS, state_of

SPACE = TextSpace(encoder="hashed", dim=2, slope=2.0, offset=-0.5)
HELD = Held(np.array([7, 8, 9, 6], np.uint64), np.array([[1, 0], [0, 1], [0.6, 0.8], [1, 0]], "f4"))
EAST = np.array([1, 0], np.float32)


def test_the_nearest_are_worth_most_on_the_scale_of_the_release() -> None:
    found = new_candidates(HELD, EAST, SPACE, {6}, 10)
    assert [(c.item, pytest.approx(c.score)) for c in found] == [(7, 1.5), (9, 0.7)]
    assert {c.source for c in found} == {SOURCE}


def test_ties_go_by_the_hash_and_no_more_come_than_wanted() -> None:
    assert [c.item for c in new_candidates(HELD, EAST, SPACE, (), 2)] == [6, 7]


def test_who_is_known_for_nothing_is_near_nothing() -> None:
    assert not new_candidates(HELD, np.zeros(2, np.float32), SPACE, (), 10)
    assert not new_candidates(HELD, np.ones(3, np.float32), SPACE, (), 10)


def known(count: int) -> list[Candidate]:
    return [Candidate(100 + n, 1 - n / 100, "ease") for n in range(count)]


def new(*scores: float) -> list[Candidate]:
    return [Candidate(n, score, SOURCE) for n, score in enumerate(scores, 1)]


def placed(scores: list[float], limit: int = 10, share: float = 0.2, resting=()) -> list[int]:
    """Where new items stand in a slate of so many."""
    ranked = given_places([*by_score(known(30), new(*scores))], limit, share, resting)
    return [n for n, one in enumerate(ranked[:limit]) if one.source == SOURCE]


def test_new_items_stand_where_they_are_worth_to_or_last() -> None:
    assert placed([0.995, 0.001]) == [1, 9]
    assert placed([0.001, 0.0005]) == [8, 9]
    assert placed([0.999, 0.998, 0.997]) == [1, 2]  # and no more than their share
    assert placed([0.999], share=0) == []


def test_a_slate_too_short_for_the_share_has_one_where_it_is_worth_that() -> None:
    assert placed([0.999, 0.998], limit=4) == [1]
    assert placed([0.5], limit=4) == []


def test_what_was_just_shown_gives_its_place_to_the_next() -> None:
    ranked = [*known(20), *new(0.2, 0.1)]
    assert given_places(ranked, 10, 0.1, {1})[9].item == 2
    assert not [c for c in given_places(ranked, 10, 0.1, {1, 2}) if c.source == SOURCE]


@given(
    st.lists(st.booleans(), max_size=40), st.integers(1, 15), st.floats(0, 0.5),
    st.sets(st.integers(0, 40)),
)  # fmt: skip
def test_the_share_is_kept_and_no_known_one_is_lost(which, limit, share, resting) -> None:
    ranked = [Candidate(n, -n, SOURCE if is_new else "ease") for n, is_new in enumerate(which)]
    found = given_places(ranked, limit, share, resting)
    fresh = [one for one in found if one.source == SOURCE]
    assert len(fresh) <= max(int(limit * share), share > 0)
    assert {*fresh} <= {*found[:limit]}  # none is a reserve, so exploring cannot add another
    of_known = [one for one in found if one.source != SOURCE]
    assert of_known == [one for one in ranked if one.source != SOURCE]
    mine = sum(one.source == SOURCE and one.item not in resting for one in ranked)
    assert len(fresh) >= min(int(limit * share), mine)


class Shelf:
    """All items are known; 2 is withdrawn."""

    def item(self, code: int) -> Item | None:
        return Item(f"item-{code}", None, [], available=code != 2)


def chosen(candidates: list[Candidate], state=EMPTY) -> list[str]:
    slate = choose(
        recommendation_id="r", candidates=candidates, state=state, items=Shelf(), limit=10,
        now_ms=NOW_MS, policy=Policy(explore_rate=0, new_share=0.1),
    )  # fmt: skip
    return [item.item_id for item in slate if item.source == SOURCE]


def test_a_slate_holds_new_items_but_none_that_was_withdrawn_or_taken() -> None:
    both = [*by_score(known(30), new(0.3, 0.9, 0.2))]
    assert chosen(both) == ["item-1"]
    assert chosen(both, state_of([("click", 1, NOW_MS)])) == ["item-3"]
    assert chosen(both, state_of([], seen={1: (NOW_MS, 1)})) == ["item-3"]
