"""The evaluation as a whole, on logs where the right answer is plain."""

from dataclasses import replace
from functools import partial

import msgspec
import pytest
import torch

from inference.data import load
from inference.errors import DataError
from inference.evaluation import Evaluation, evaluate
from inference.evaluation.protocols import leave_one_out
from inference.training.blend import fit_blend, fit_pair, with_transformer
from inference.training.epochs import EpochSettings
from inference.training.progress import Epoch, best_of
from tests.inference.logs import DAY_S, START_S, chains, log_of


def test_a_circle_is_learnt_and_popularity_is_beaten():
    found = evaluate(chains(), k=1, blend=True)
    assert found.results["transitions"].hr == 1
    assert found.results["last-item"].hr == 1
    assert found.results["popularity"].hr < 1
    assert (found.users, found.items, found.interactions) == (40, 12, 240)
    assert found.metrics() == {"hr@1": 1, "ndcg@1": 1, "mrr@1": 1, "coverage@1": 1}


def test_popularity_is_exact():
    # Fitted on x four times, a and b twice: only cy, who has seen x and b, is shown a.
    alone = {"di": "x", "ed": "x", "flo": "x"}
    log = log_of({"ann": "a b c", "bob": "a c b", "cy": "b x a"} | alone)
    assert evaluate(log, k=1).results["popularity"].hr == pytest.approx(1 / 3)


def test_seen_items_may_be_asked_for_again():
    log = log_of({f"u{n}": "a b a b a b" for n in range(4)} | {"zoe": "c"})
    assert evaluate(log, k=1).results["transitions"].hr == 0
    assert evaluate(log, k=1, exclude_seen=False).results["transitions"].hr == 1


def test_time_split_and_its_json():
    found = evaluate(chains(), protocol="time-split", next_items=2, k=3)
    document = msgspec.json.encode(found)
    assert msgspec.json.decode(document, type=Evaluation) == found
    assert found.until_ms is not None
    assert found.results["transitions"].hr == 1


def test_a_log_without_times_has_no_time_split(tmp_path):
    (tmp_path / "a.txt").write_text("1 1 2 3\n2 2 3 1\n")
    log = load("s3rec", tmp_path / "a.txt", tmp_path)
    with pytest.raises(DataError, match="has no times; use leave-one-out"):
        evaluate(log, protocol="time-split")


@pytest.mark.parametrize("k", [0, 201])
def test_a_k_that_cannot_be_ranked(k):
    with pytest.raises(DataError, match=f"k is {k}"):
        evaluate(chains(), k=k)


def test_the_blend_stands_beside_its_floors_and_without_each_part():
    found = evaluate(chains(), k=1, ablate=True).results
    assert list(found) == [
        "popularity",
        "last-item",
        "transitions",
        "ease",
        "blend",
        "blend without popular",
        "blend without transitions",
        "blend without ease",
    ]
    assert found["blend"].hr == 1
    assert "blend" not in evaluate(chains(), k=1).results


def test_the_blend_where_nobody_has_an_item_to_hold_out():
    log = log_of({"ann": "a b c", "bob": "b a c", "cy": "c a b"})
    found = evaluate(log, k=1, part="validation", blend=True)
    assert 0 <= found.results["blend"].hr <= 1
    noon_of_day_2 = (START_S + 2 * DAY_S) * 1000 - 1
    found = evaluate(log, k=1, protocol="time-split", until_ms=noon_of_day_2, blend=True)
    assert found.users == 3


def test_the_ranker_never_sees_the_test():
    # The same log but for what is asked in the end: the same weights, so the same first slates.
    log = chains()
    order, starts = log.by_user
    other = log.item.copy()
    other[order[starts[1:] - 1]] = 0
    fitted = [
        fit_blend(leave_one_out(one).fit, leave_one_out(one, "validation"))
        for one in (log, replace(log, item=other))
    ]
    assert torch.equal(fitted[0].weights, fitted[1].weights)


def test_everything_learns_from_the_validation_items_before_the_test_is_asked():
    # Nobody but ann's validation item tells that d follows c.
    log = log_of({"ann": "a c d x", "bob": "b c d", "di": "y y y"})
    found = evaluate(log, k=1, blend=True)
    assert found.validation_learnt
    assert found.results["last-item"].hr == found.results["blend"].hr == 1 / 3
    before = evaluate(log, k=1, blend=True, learn_validation=False)
    assert not before.validation_learnt
    assert before.results["last-item"].hr == 0


def test_the_ranker_is_fitted_on_what_the_known_do_not_hold():
    log = chains()
    split, held = leave_one_out(log, learn_validation=True), leave_one_out(log, "validation")
    pair = fit_pair(split.fit, held)
    once = fit_pair(held.fit, held)
    assert once.known is once.whole
    assert torch.equal(pair.ranked().weights, once.ranked().weights)
    assert pair.whole.share.tolist() != pair.known.share.tolist()
    less = pair.only(("transitions",))
    assert less.ranked().parts == less.known.parts == ("transitions",)


QUICK = partial(with_transformer, epochs=EpochSettings(epochs=8, batch=8, rate=0.01))


def test_a_transformer_joins_the_blend(tmp_path):
    said = []
    sequential = partial(QUICK, checkpoint=tmp_path / "run", report=said.append)
    found = evaluate(chains(), k=1, ablate=True, sequential=sequential)
    assert found.results["transformer"].hr == 1
    assert found.results["blend"].hr == 1
    assert "blend without transformer" in found.results
    told = [one for one in said if isinstance(one, Epoch)]
    epochs = [epoch for epoch in told if epoch.metric is not None]
    assert len(told) == len(epochs) + best_of(epochs).number  # of all that may be learnt
    assert [epoch.number for epoch in epochs] == list(range(1, len(epochs) + 1))
    assert epochs[-1].loss < epochs[0].loss
    again = evaluate(chains(), k=1, ablate=True, sequential=sequential)
    assert again.results == found.results  # the checkpoint says that nothing is left to do


@pytest.mark.parametrize("question", [{"part": "validation"}, {"protocol": "time-split"}, {}])
def test_a_transformer_has_learnt_what_the_others_have_whatever_is_asked(question):
    found = evaluate(chains(), k=1, blend=True, sequential=QUICK, **question)
    assert found.results["transformer"].hr == 1
    assert found.validation_learnt == (not question)


def test_there_is_no_transformer_where_nobody_can_say_when_it_is_good():
    log = log_of({"ann": "a b c", "bob": "b a c", "cy": "c a b"})
    found = evaluate(log, k=1, part="validation", blend=True, sequential=QUICK)
    assert "blend" in found.results
    assert "transformer" not in found.results
