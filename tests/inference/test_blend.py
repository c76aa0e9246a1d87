"""The blend: what it retrieves, what its ranker learns, and what it says of both."""

from functools import cache

import numpy as np
import pytest
import torch

from inference.evaluation.protocols import leave_one_out
from inference.models.answer import answer
from inference.models.blend import Blend, Reading
from inference.models.requests import request_of
from inference.models.transformer import Transformer, TransformerSettings
from inference.models.vocabulary import Vocabulary, to_hashes, to_images
from inference.training.blend import fit_blend, with_ranker
from inference.training.sources import fit_sources
from schemas.serving import BECAUSE, EXCLUDE, HISTORY_KINDS, ITEMS, SCORES, SOURCE_CODES, SOURCES, K
from schemas.state import KIND_CODES
from tests.inference.logs import chains, log_of

LOG = chains()
HELD = leave_one_out(LOG, "validation")
NAMES = {int(hashed): item for hashed, item in zip(LOG.item_hashes, LOG.items, strict=True)}


@cache
def learnt():
    """Fitted by the first test that asks, not by every process that collects the tests."""
    return fit_blend(HELD.fit, HELD)


def asked(users, k=5, **kwargs):
    return request_of(HELD.log, [HELD.histories[user] for user in users], k, **kwargs)


def named(answers):
    return [[NAMES.get(int(item), "-") for item in row] for row in answers[ITEMS]]


def test_the_held_out_item_comes_first():
    first = answer(learnt(), asked(range(40), k=1))
    targets = [[LOG.items[target[0]]] for target in HELD.targets]
    assert named(first) == targets
    assert {SOURCES[code] for code in first[SOURCE_CODES].flat} <= {"transitions", "ease"}


def test_a_reason_is_an_item_of_the_history():
    request = asked(range(8))
    found = answer(learnt(), request)
    for user, row in enumerate(found[BECAUSE]):
        for place, because in enumerate(row):
            source = SOURCES[found[SOURCE_CODES][user, place]]
            assert (because == 0) == (source in ("popular", "none"))
            assert because == 0 or because in request["HISTORY_ITEMS"][user]


def test_somebody_new_is_shown_what_is_popular_and_nothing_twice():
    order = HELD.log.by_user[0]
    found = answer(learnt(), request_of(HELD.log, [order[:0]], 200))
    known = to_hashes(learnt().vocabulary.images.numpy())
    assert found[ITEMS][0, :12].tolist() == known.tolist()
    assert not found[ITEMS][0, 12:].any()
    assert {SOURCES[code] for code in found[SOURCE_CODES][0, :12]} == {"popular"}
    assert (np.diff(found[SCORES][0]) <= 0).all()


def test_what_was_turned_away_from_says_nothing():
    request = asked([0])
    request[HISTORY_KINDS][:] = KIND_CODES["hide"]
    assert {SOURCES[code] for code in answer(learnt(), request)[SOURCE_CODES].flat} == {"popular"}


def test_excluded_items_never_come_back_even_all_of_them():
    request = asked([0], k=12)
    assert not np.isin(answer(learnt(), request)[ITEMS][0], request[EXCLUDE][0][:4]).any()
    request[EXCLUDE] = LOG.item_hashes[None, :]
    found = answer(learnt(), request)
    assert not any(found[name].any() for name in (ITEMS, SCORES, SOURCE_CODES, BECAUSE))


def test_one_batch_or_one_by_one_is_the_same_and_each_gets_as_many_as_asked():
    request = asked([3, 9, 20])
    request[K] = np.array([[1], [5], [2]], np.int32)
    together = answer(learnt(), request)
    assert [np.count_nonzero(row) for row in together[ITEMS]] == [1, 5, 2]
    for user in range(3):
        alone = answer(learnt(), {name: table[user : user + 1] for name, table in request.items()})
        for name, table in alone.items():
            np.testing.assert_allclose(table[0], together[name][user][: table.shape[1]], rtol=1e-6)


def test_the_ranker_takes_no_chance_and_no_weight_is_below_0():
    again = fit_blend(HELD.fit, HELD)
    assert torch.equal(again.weights, learnt().weights)
    assert (learnt().weights >= 0).all()


def test_read_evenly_an_item_of_which_much_is_known_does_not_drown_another():
    # After "much" came many things in many hands; after "little" one thing, once.
    people = {f"u{n}": f"much m{n % 3}" for n in range(30)} | {"ann": "little l"}
    log = log_of(people | {"bob": "little much"})
    order, starts = log.by_user
    bob = log.users.index("bob")
    request = request_of(log, [order[starts[bob] : starts[bob + 1]]], 1)
    blend = fit_sources(log, ("transitions",))
    shown = {}
    for even in (False, True):
        alone = Blend(
            blend.vocabulary, blend.share, blend.counted, [Reading("transitions", 0.9, even=even)]
        )
        shown[even] = log.items[
            int(np.flatnonzero(log.item_hashes == answer(alone, request)[ITEMS][0, 0])[0])
        ]
    assert shown[False].startswith("m")
    assert shown[True] == "l"


def test_the_ranker_learns_whom_to_trust():
    # Everybody walks round the circle, but in between each turns to the one popular item.
    people = {f"u{n}": " ".join(f"i{(n + s) % 12}" for s in range(6)) for n in range(40)}
    log = log_of(people | {f"fan{n}": "hit other" for n in range(60)})
    held = leave_one_out(log, "validation")
    fitted = fit_blend(held.fit, held)
    by_reading = fitted.weights.view(len(fitted.readings), -1).sum(1)
    popular = next(n for n, r in enumerate(fitted.readings) if r.source == "popular")
    assert by_reading[popular] < by_reading.max()
    assert by_reading[popular] < by_reading.mean()


@pytest.mark.parametrize("off", ["popular", "transitions", "ease"])
def test_each_part_can_be_switched_off(off):
    left = with_ranker(learnt().only([part for part in learnt().parts if part != off]), HELD)
    assert off not in left.parts
    assert off not in left.sources
    found = answer(left, asked(range(40), k=1))
    assert SOURCES.index(off) not in found[SOURCE_CODES]
    assert named(found) == [[LOG.items[target[0]]] for target in HELD.targets]


def test_the_sources_are_counted_on_everything_and_the_ranker_on_what_was_held_out():
    whole = fit_blend(LOG, HELD)
    assert torch.equal(whole.weights, learnt().weights)
    assert (
        whole.sources["transitions"].weights.sum() > learnt().sources["transitions"].weights.sum()
    )


def test_the_smallest_logs_that_a_source_may_hold():
    for histories in ({"ann": "a", "bob": "b"}, {"ann": "a b", "bob": "b a"}):
        blend = fit_blend(log_of(histories), None)
        log = log_of(histories)
        found = answer(blend, request_of(log, [log.by_user[0][:1]], 3))
        assert np.count_nonzero(found[ITEMS]) == 1


def test_a_transformer_speaks_for_what_follows_and_not_where_nothing_is_known():
    torch.manual_seed(0)
    model = Transformer(12, TransformerSettings(dim=16)).eval()
    joined = learnt().joined_by(model)
    order = HELD.log.by_user[0]
    rows = [order[:0], HELD.histories[0], HELD.histories[0][:2]]
    request = request_of(HELD.log, rows, 12, exclude_seen=False)
    alone = answer(joined.only(("transformer",)), request)
    assert not alone[ITEMS][0].any()
    expected = []
    for history in rows[1:]:
        hashes = LOG.item_hashes[LOG.item[history]]
        images = torch.from_numpy(to_images(hashes))[None]
        times = torch.from_numpy(LOG.time_ms[history])[None]
        logits = model.scores(model.newest(learnt().vocabulary.find(images), times))
        expected.append(logits[0].argsort(descending=True).tolist())
    places = [
        learnt().vocabulary.find(torch.from_numpy(to_images(row))) for row in alone[ITEMS][1:]
    ]
    assert [row.tolist() for row in places] == expected
    together = answer(joined, request)
    assert {SOURCES[code] for code in together[SOURCE_CODES][0]} == {"popular"}
    assert "transformer" in {SOURCES[code] for code in together[SOURCE_CODES][1:].flat}


def test_how_near_a_score_comes_to_the_best_goes_by_factors():
    share = torch.tensor([1.0, 1e-2, 1e-3, 1e-4, 1e-6])
    hashes = np.arange(1, 6, dtype=np.uint64)
    blend = Blend(Vocabulary(hashes), share, {}, (Reading("popular"),))

    def near(*barred):
        nothing = torch.empty((1, 0), dtype=torch.int64)
        images = torch.from_numpy(to_images(np.array([barred], np.uint64).reshape(1, -1)))
        return blend.find(nothing, nothing, nothing, images).features[0, :, 0].tolist()

    assert near() == pytest.approx([1, 0.5, 0.25, 0, 0], abs=1e-6)
    # Of those left the second is the best; what must not be shown is not near.
    assert near(1) == pytest.approx([0, 1, 0.75, 0.5, 0], abs=1e-6)
