"""The model, against hand-worked numbers and against the same rule written slowly."""

from collections import Counter, defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference.errors import DataError
from inference.models.answer import answer
from inference.models.fit import fit_transitions
from inference.models.requests import request_of
from inference.models.transitions import TransitionSettings
from inference.models.vocabulary import check_distinct
from inference.training import train
from schemas.identifiers import item_hash
from schemas.serving import (
    BECAUSE,
    EXCLUDE,
    HISTORY_ITEMS,
    HISTORY_KINDS,
    ITEMS,
    SCORES,
    SOURCE_CODES,
    SOURCES,
    K,
)
from schemas.state import HISTORY_LIMIT, KIND_CODES
from tests.inference.logs import log_of

NAMES = {item_hash(name): name for name in "abcdefgh"} | {0: "-"}
LOG = log_of({"ann": "a b c", "bob": "a c", "cy": "d a b", "di": "e"})


def request(*histories, k=3, exclude=(), kind="click"):
    """Histories as people say them, oldest first."""
    users = len(histories)
    tensors = request_of(LOG, [np.zeros(0, np.int64)] * users, k)
    tensors[EXCLUDE] = np.zeros((users, 1 + len(exclude)), np.uint64)
    tensors[EXCLUDE][:, 1:] = [item_hash(item) for item in exclude]
    for user, history in enumerate(histories):
        for slot, item in enumerate(reversed(history.split())):
            tensors[HISTORY_ITEMS][user, slot] = item_hash(item)
            tensors[HISTORY_KINDS][user, slot] = KIND_CODES[kind]
    return tensors


def words(answers, name=ITEMS):
    return [" ".join(NAMES[int(item)] for item in row) for row in answers[name]]


def sources(answers):
    return [[SOURCES[code] for code in row] for row in answers[SOURCE_CODES]]


def test_scores_by_hand():
    model = fit_transitions(LOG, TransitionSettings())
    # a -> b: 1 + 1, a -> c: 1/2 + 1, total 3.5; b -> c: 1, total 1.
    found = answer(model, request("a b", k=3))
    assert words(found) == ["c b a"]
    from_b, from_a = 1.0, 0.5 * 1.5 / 3.5**0.5
    assert found[SCORES][0, 0] == pytest.approx(from_b + from_a, abs=2e-6)
    assert found[SCORES][0, 1] == pytest.approx(0.5 * 2 / 3.5**0.5, abs=2e-6)
    assert sources(found) == [["transitions", "transitions", "popular"]]
    assert words(found, BECAUSE) == ["b a -"]


def test_the_last_items_only_are_read():
    model = fit_transitions(LOG, TransitionSettings(read=1))
    assert words(answer(model, request("a b", k=1))) == ["c"]
    assert words(answer(model, request("b a", k=1))) == ["b"]


def test_popularity_orders_whatever_nothing_else_tells_apart():
    found = answer(fit_transitions(LOG, TransitionSettings()), request("", k=5))
    assert words(found)[0][0] == "a"
    assert set(words(found)[0].split()[1:3]) == {"b", "c"}
    assert sources(found) == [["popular"] * 5]
    assert (np.diff(found[SCORES]) <= 0).all()
    assert words(found, BECAUSE) == ["- - - - -"]


def test_unknown_items_are_ignored():
    model = fit_transitions(LOG, TransitionSettings(read=1))
    known, with_unknown = answer(model, request("b", "b h g")), None
    with_unknown = {name: table[1:] for name, table in known.items()}
    for name, table in with_unknown.items():
        np.testing.assert_array_equal(table, known[name][:1])
    assert sources(answer(model, request("g h"))) == [["popular"] * 3]


@pytest.mark.parametrize("kind", ["hide", "unhide", "uncart"])
def test_turning_away_from_an_item_recommends_nothing(kind):
    model = fit_transitions(LOG, TransitionSettings())
    assert sources(answer(model, request("a", kind=kind))) == [["popular"] * 3]


def test_what_was_turned_away_from_is_not_counted():
    log = log_of({"ann": "a b", "bob": "a c", "cy": "a b"}, kinds={("bob", "c"): "hide"})
    fitted = train(log)
    assert [item.item_id for item in fitted.items] == ["a", "b"]
    assert fitted.training.interactions == 5


def test_excluded_items_never_come_back_even_all_of_them():
    model = fit_transitions(LOG, TransitionSettings())
    found = answer(model, request("a b", k=3, exclude="cbh"))
    assert set(words(found)[0].split()) == {"a", "d", "e"}
    found = answer(model, request("a b", k=3, exclude="abcde"))
    assert words(found) == ["- - -"]
    assert sources(found) == [["none"] * 3]
    assert not found[SCORES].any()


def test_each_user_gets_as_many_as_asked():
    model = fit_transitions(LOG, TransitionSettings())
    tensors = request("a", "a", "a")
    tensors[K] = np.array([[1], [5], [2]], np.int32)
    found = words(answer(model, tensors))
    assert [row.split().index("-") if "-" in row else 5 for row in found] == [1, 5, 2]


def test_more_than_there_are():
    assert words(answer(fit_transitions(LOG, TransitionSettings()), request("", k=200)))[
        0
    ].endswith(" - -")


def test_the_order_of_the_source_changes_no_model():
    one = log_of({"ann": "a b c", "bob": "c a", "cy": "d b"})
    other = log_of({"cy": "d b", "bob": "c a", "ann": "a b c"})
    models = [fit_transitions(log, TransitionSettings()) for log in (one, other)]
    tensors = request("a", "c d", "", k=4)
    for name, table in answer(models[0], tensors).items():
        np.testing.assert_array_equal(table, answer(models[1], tensors)[name])


def test_two_items_with_one_hash_are_refused():
    hashes = np.array([7, 9, 7], np.uint64)
    with pytest.raises(DataError, match="the items 'x' and 'z' have the same hash"):
        check_distinct(hashes, ["x", "y", "z"])


def slowly(log, read, decay, history, exclude):
    """{item: score} by the rule as it is written, without the popularity term."""
    weights, sequences = defaultdict(Counter), defaultdict(list)
    for user, item in zip(log.user, log.item, strict=True):
        sequences[user].append(log.items[item])
    for sequence in sequences.values():
        for place, item in enumerate(sequence):
            for distance in range(1, 5):
                if place + distance < len(sequence):
                    weights[item][sequence[place + distance]] += 1 / distance
    scores = Counter()
    known = [item for item in reversed(history) if item in log.items][:read]
    for age, item in enumerate(known):
        total = sum(weights[item].values())
        for successor, weight in weights[item].items():
            scores[successor] += decay**age * weight / total**0.5
    return {item: score for item, score in scores.items() if item not in exclude}


LETTERS = st.text("abcdefgh", max_size=12)


@settings(max_examples=150)
@given(st.lists(LETTERS, max_size=6), LETTERS, st.sets(st.sampled_from("abcdefgh")))
def test_the_same_as_the_rule_written_slowly(sequences, history, exclude):
    everyone = {"ann": "a b"} | {f"u{n}": " ".join(s) for n, s in enumerate(sequences) if s}
    log = log_of(everyone | {"bob": "b a"})
    found = answer(
        fit_transitions(log, TransitionSettings()),
        request(" ".join(history), k=8, exclude="".join(exclude)),
    )
    expected = slowly(log, 6, 0.5, history, exclude)
    shown = [NAMES[int(item)] for item in found[ITEMS][0] if item]
    assert len(shown) == len(set(shown)) == len(set(log.items) - exclude)
    for place, item in enumerate(shown):
        assert found[SCORES][0, place] == pytest.approx(expected.get(item, 0), abs=1e-5)
        assert SOURCES[found[SOURCE_CODES][0, place]] == (
            "transitions" if item in expected else "popular"
        )
        because = NAMES[int(found[BECAUSE][0, place])]
        assert because in history if item in expected else because == "-"
    assert (np.diff(found[SCORES][0, : len(shown)]) <= 0).all()


def test_one_batch_or_one_by_one_is_the_same():
    model = fit_transitions(LOG, TransitionSettings())
    histories = ["a", "b c", "", "e d a b", "h"]
    together = answer(model, request(*histories, exclude="a"))
    for user, history in enumerate(histories):
        alone = answer(model, request(history, exclude="a"))
        for name, table in alone.items():
            np.testing.assert_array_equal(table[0], together[name][user])


def test_histories_are_full_length():
    assert request("a")[HISTORY_ITEMS].shape == (1, HISTORY_LIMIT)
