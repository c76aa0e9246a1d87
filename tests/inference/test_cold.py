"""Cold items: what is withheld stays withheld, and text finds them where popularity cannot."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest
import torch

from inference.data.described import item_text, texts_of
from inference.errors import DataError
from inference.evaluation.bags import bags
from inference.evaluation.cold import ColdEvaluation, cold_start, evaluate_cold
from inference.training.text import TextSettings
from tests.inference.logs import log_of

KINDS = ("violin", "garden hose", "nail polish", "coffee beans")


def shop(users=120, items=60):
    """Everybody turns to things of one kind alone; what they are called says which."""
    random = np.random.default_rng(0)
    each = items // len(KINDS)
    log = log_of(
        {
            f"u{user}": " ".join(
                f"{KINDS[user % 4][:2]}{n}" for n in random.choice(each, 5, replace=False)
            )
            for user in range(users)
        }
    )
    titles = {kind[:2]: kind for kind in KINDS}
    return replace(log, titles=tuple(f"{titles[item[:2]]} no {item[2:]}" for item in log.items))


def test_nothing_with_a_withheld_item_is_learnt_from():
    log = shop()
    split = cold_start(log)
    withheld = split.cold["test"] | split.cold["validation"]
    assert not withheld[split.fit.item].any()
    assert not (split.cold["test"] & split.cold["validation"]).any()
    assert (split.cold["test"].sum(), split.cold["validation"].sum()) == (12, 6)
    order, starts = log.by_user
    last, before = order[starts[1:] - 1], order[starts[1:] - 2]
    for part, rows in (("test", last), ("validation", before)):
        histories, targets = split.asked[part]
        wanted = rows[split.cold[part][log.item[rows]]]
        assert [int(target[0]) for target in targets] == log.item[wanted].tolist()
        assert not set(np.concatenate(histories).tolist()) & set(rows.tolist())
    assert not split.pool("validation", "all")[split.cold["test"]].any()
    assert split.pool("test", "all").all()


def test_a_seed_draws_its_items():
    log = shop()
    first, same, other = (cold_start(log, seed).cold["test"].tolist() for seed in (1, 1, 2))
    assert first == same != other


def test_text_finds_what_nobody_has_touched():
    told = []
    settings = TextSettings(head_steps=20, head_batch=32)
    found = evaluate_cold(shop(), encoder="universal", settings=settings, report=told.append)
    assert msgspec.json.decode(msgspec.json.encode(found), type=ColdEvaluation) == found
    assert list(found.results) == [
        "popularity, told of the cold", "bag of words", "universal as it comes", "universal",
    ]  # fmt: skip
    rows = found.results
    floor = rows["popularity, told of the cold"].among_cold.ndcg
    for name in ("bag of words", "universal"):
        assert rows[name].among_cold.ndcg > floor + 0.1
        assert rows[name].among_all.hr <= rows[name].among_cold.hr
    assert [phase.part for phase in told] == ["head"]
    assert (found.items, found.cold_items, found.texts) == (60, 12, 60)


def test_a_bag_of_words_weighs_rare_words_more():
    vectors = bags(["red polish", "red soap", "blue polish and red", ""]).to_dense()
    torch.testing.assert_close(vectors.norm(dim=1), torch.tensor([1.0, 1.0, 1.0, 0.0]))
    assert vectors[1].max() == vectors[1, 2]  # soap, which no other has


def test_an_item_in_words():
    assert (
        item_text("Toy Story", ("Animation", "Children's")) == "Toy Story | Animation | Children's"
    )
    assert item_text(None, ("Hair Care",)) == "Hair Care"
    assert item_text(None, ()) == ""
    assert texts_of(log_of({"ann": "a b", "bob": "b"})) == ["", ""]


def test_a_log_that_cannot_be_asked_for_cold_items():
    with pytest.raises(DataError, match="says nothing of its items"):
        evaluate_cold(log_of({"ann": "a b c", "bob": "b c a"}))
    with pytest.raises(DataError, match="is too small"):
        cold_start(log_of({"ann": "a b c", "bob": "b c a"}))
