"""The metrics, against cases worked out by hand."""

from math import log2

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.evaluation.metrics import metrics


def measured(ranked, targets, known=10):
    return metrics(np.array(ranked), [np.array(t, np.int32) for t in targets], known)


def test_one_target_found_first_third_and_not_at_all():
    found = measured([[5, 6, 7], [5, 6, 7], [5, 6, 7]], [[5], [7], [9]])
    assert found.hr == pytest.approx(2 / 3)
    assert found.ndcg == pytest.approx((1 + 1 / log2(4) + 0) / 3)
    assert found.mrr == pytest.approx((1 + 1 / 3 + 0) / 3)
    assert found.coverage == pytest.approx(3 / 10)


def test_several_targets():
    # Found at places 2 and 3 of 3, of two wanted: the best order has them at 1 and 2.
    found = measured([[1, 2, 3]], [[3, 2]])
    assert found.hr == 1
    assert found.ndcg == pytest.approx((1 / log2(3) + 1 / log2(4)) / (1 + 1 / log2(3)))
    assert found.mrr == pytest.approx(1 / 2)


def test_more_targets_than_places_can_still_be_perfect():
    assert measured([[1, 2]], [[1, 2, 3, 4]]).ndcg == pytest.approx(1)


def test_empty_places_hit_nothing_and_cover_nothing():
    found = measured([[4, -1, -1]], [[0]])
    assert (found.hr, found.ndcg, found.mrr, found.coverage) == (0, 0, 0, 0.1)


@given(
    st.lists(st.permutations(range(8)), min_size=1, max_size=20),
    st.integers(1, 8),
    st.integers(1, 4),
)
def test_bounds_and_order(rankings, k, wanted):
    targets = [[*range(wanted)]] * len(rankings)
    found = measured([ranking[:k] for ranking in rankings], targets, known=8)
    assert 0 <= found.ndcg <= 1 + 1e-12
    assert 0 <= found.mrr <= found.hr <= 1
    assert 0 < found.coverage <= 1
    assert (found.hr == 0) == (found.ndcg == 0) == (found.mrr == 0)
