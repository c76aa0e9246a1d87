"""Items that are described alike, and what the blend makes of them."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from inference.errors import DataError
from inference.models.answer import answer
from inference.models.content import ContentSettings, fit_content, tags_of
from inference.models.requests import request_of
from inference.training.sources import fit_sources
from schemas.serving import BECAUSE, ITEMS, SOURCE_CODES, SOURCES
from tests.inference.logs import chains

TAGS = st.lists(st.frozensets(st.sampled_from("abcdef")), min_size=2, max_size=8)


def dense(source):
    table = np.zeros((source.items, source.items))
    for item in range(source.items):
        entries = slice(int(source.starts[item]), int(source.starts[item + 1]))
        table[item, source.successors[entries].numpy()] = source.weights[entries].numpy()
    return table


def test_a_title_is_its_words_and_a_category_is_whole():
    assert tags_of("The Lion, the Witch", ["Lion", "Skin Care"]) == {
        "the", "lion", "witch", "category:Lion", "category:Skin Care",
    }  # fmt: skip
    assert tags_of(None, []) == frozenset()


@given(TAGS)
def test_it_is_the_cosine_of_what_rare_tags_two_items_share(tags):
    names = sorted({tag for of_item in tags for tag in of_item})
    table = np.array([[tag in of_item for tag in names] for of_item in tags], float)
    table = table.reshape(len(tags), len(names))
    table = table * np.log(len(tags) / np.maximum(table.sum(0), 1))
    size = np.linalg.norm(table, axis=1, keepdims=True)
    table = np.divide(table, size, out=np.zeros_like(table), where=size > 0)
    by_hand = table @ table.T
    np.fill_diagonal(by_hand, 0)
    found = dense(fit_content(tags, ContentSettings()))
    np.testing.assert_allclose(found, by_hand, atol=1e-5)


def test_of_items_alike_the_more_popular_are_kept():
    tags = [{"shared", "one"}, *[{"shared"}] * 5, {"other"}, {"other"}]
    found = dense(fit_content(tags, ContentSettings(kept=3)))
    assert found[4].nonzero()[0].tolist() == [1, 2, 3]
    assert found[1].nonzero()[0].tolist() == [2, 3, 4]
    assert found[0].nonzero()[0].tolist() == [1, 2, 3]
    assert found[6].nonzero()[0].tolist() == [7]


def test_what_every_item_has_says_nothing():
    assert not len(fit_content([{"shop"}] * 4, ContentSettings()).weights)
    assert not len(fit_content([set(), {"a"}, set()], ContentSettings()).weights)


def described(log):
    """Every other item round the circle is of one kind."""
    kinds = tuple((f"kind {int(item[1:]) % 2}",) for item in log.items)
    return replace(log, categories=kinds)


def test_an_item_is_shown_because_of_one_that_is_like_it():
    log = described(chains())
    blend = fit_sources(log).only(("content",))
    first = log.by_user[0][:1]
    read = log.item[first[0]]
    alike = [log.categories[item] == log.categories[read] for item in range(len(log.items))]
    found = answer(blend, request_of(log, [first], 5))
    assert {*found[ITEMS][0]} == {*log.item_hashes[alike]} - {log.item_hashes[read]}
    assert {*found[BECAUSE][0]} == {log.item_hashes[read]}
    assert {SOURCES[code] for code in found[SOURCE_CODES][0]} == {"content"}


def test_where_nothing_is_described_there_is_no_such_part():
    assert "content" not in fit_sources(chains()).parts
    log = described(chains())
    assert "content" in fit_sources(log).parts
    assert "content" not in fit_sources(log, ("popular", "transitions")).parts
    with pytest.raises(DataError, match="says nothing of its items"):
        fit_sources(chains(), ("content",))


@pytest.mark.parametrize("users", [3, 40])
def test_the_same_log_gives_the_same_content(users):
    one, two = (fit_sources(described(chains(users))).sources["content"] for _ in range(2))
    for name, table in one.state_dict().items():
        assert torch.equal(table, two.state_dict()[name])
