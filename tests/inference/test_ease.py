"""EASE against its formula, and the sparse weights that carry it."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from inference.models.ease import EaseSettings, fit_ease
from inference.models.sparse import Sparse

ROWS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 6)), min_size=1, max_size=40)


def fitted(rows, items=7, **settings):
    user, place = np.array(sorted(rows), np.int64).T
    return fit_ease(user, place, items, EaseSettings(**settings))


def dense(weights):
    table = np.zeros((weights.items, weights.items))
    for item in range(weights.items):
        entries = slice(weights.starts[item], weights.starts[item + 1])
        table[item, weights.successors[entries]] = weights.weights[entries]
    return table


def formula(rows, items, ridge):
    met = np.zeros((6, items))
    met[tuple(np.array(rows).T)] = 1
    inverse = np.linalg.inv(met.T @ met + ridge * np.eye(items))
    weight = -inverse / np.diag(inverse)
    np.fill_diagonal(weight, 0)
    return np.where(weight > 1e-4, weight, 0)


@given(ROWS)
def test_the_same_as_the_formula(rows):
    np.testing.assert_allclose(dense(fitted(rows, ridge=2)), formula(rows, 7, 2), atol=2e-4)


@given(ROWS)
def test_repeats_count_once(rows):
    once, again = fitted(set(rows)), fitted(rows + rows)
    assert torch.equal(once.weights, again.weights)
    assert torch.equal(once.successors, again.successors)


def test_only_the_strongest_are_kept():
    rows = [(0, 0), (0, 1), (1, 0), (1, 1), (1, 2), (2, 0), (2, 1), (2, 3)]
    whole, cut = dense(fitted(rows, ridge=1)), dense(fitted(rows, ridge=1, kept=1))
    assert (np.count_nonzero(cut, axis=1) <= 1).all()
    assert cut[0].max() == pytest.approx(whole[0].max())
    assert cut[0].argmax() == whole[0].argmax() == 1


def test_a_catalogue_that_is_too_large_is_cut_to_its_most_popular():
    rows = [(user, item) for user in range(4) for item in (0, 1, 6)]
    table = dense(fitted(rows, ridge=1, items_at_most=2))
    assert table.shape == (7, 7)
    assert table[0, 1] > 0
    assert not table[2:].any()
    assert not table[:, 2:].any()


PLACES = st.lists(st.lists(st.integers(-1, 6), min_size=4, max_size=4), min_size=1, max_size=5)


TRUST = torch.tensor([1.0, 0.5, 0.25, 0.0])


@given(ROWS, PLACES)
def test_scores_are_the_sum_of_what_each_item_told(rows, places):
    weights = fitted(rows, ridge=1)
    places = torch.tensor(places)
    trust = TRUST.expand(places.shape)
    scores = weights.scores(weights.told(places, trust > 0), trust)
    table = torch.from_numpy(dense(weights)).float()
    for user, read in enumerate(places.tolist()):
        by_hand = sum(
            (trust[user, n] * table[i] for n, i in enumerate(read) if i >= 0), 0 * table[0]
        )
        torch.testing.assert_close(scores[user], by_hand)


@given(ROWS, PLACES)
def test_who_says_most_is_the_newest_of_those_that_do(rows, places):
    weights = fitted(rows, ridge=1)
    places = torch.tensor(places)
    trusts = torch.stack([TRUST, TRUST.flip(0)])[:, None].expand(2, *places.shape)
    every = torch.arange(7).expand(len(places), -1)
    under = every % 3 - 1  # some are asked of neither
    found = weights.most(weights.told(places, trusts.amax(0) > 0), trusts, every, under)
    table = torch.from_numpy(dense(weights)).float()
    for user, read in enumerate(places.tolist()):
        for item in range(7):
            number = int(under[user, item])
            said = [
                float(trusts[number, user, n] * table[i, item]) if i >= 0 else 0.0
                for n, i in enumerate(read)
            ]
            best = max(said) if number >= 0 else 0.0
            assert found[user, item] == (said.index(best) if best > 0 else 4)


@given(ROWS)
def test_totals_are_what_each_item_says_of_all_others(rows):
    weights = fitted(rows, ridge=1)
    table = torch.from_numpy(dense(weights)).float()
    torch.testing.assert_close(weights.totals, table.sum(1))


def test_no_weights_at_all():
    none = Sparse(
        torch.zeros(4, dtype=torch.int64), torch.zeros(0, dtype=torch.int64), torch.zeros(0)
    )
    places = torch.tensor([[0, 2, -1]])
    trust = torch.ones(1, 3)
    told = none.told(places, trust > 0)
    assert none.scores(told, trust).tolist() == [[0, 0, 0]]
    assert none.most(told, trust[None], places, places * 0).tolist() == [[3, 3, 3]]
