"""The transformer, its losses and its training: what it may look at and what it learns."""

from collections import Counter

import numpy as np
import pytest
import torch

from inference.models import losses
from inference.models.losses import beta_of, loss_of
from inference.models.transformer import WIDE_FROM, Transformer, TransformerSettings
from inference.training.epochs import EpochSettings, fit_transformer
from inference.training.progress import Epoch
from inference.training.sequences import Sequences
from inference.training.standing import Standing, copy_of
from tests.inference.circles import DAY_MS, SMALL, circle, fit, right

STYLES = ("sasrec", "hstu")


def random_batch(rows=3, length=8, items=12, seed=0):
    random = torch.Generator().manual_seed(seed)
    places = torch.randint(items, (rows, length), generator=random)
    times = torch.randint(10**9, (rows, length), generator=random).cumsum(1)
    return places, times


def of_style(style, **other):
    torch.manual_seed(1)
    model = Transformer(12, TransformerSettings(style=style, **SMALL | other)).eval()
    with torch.no_grad():
        for parameter in model.blocks.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return model


@pytest.mark.parametrize("style", STYLES)
def test_no_step_sees_what_comes_after_it(style):
    model, (places, times) = of_style(style), random_batch()
    changed, later = places.clone(), times.clone()
    changed[:, 5:] = (places[:, 5:] + 1) % 12
    later[:, 5:] += 10 * DAY_MS
    before, after = model(places, times), model(changed, later)
    torch.testing.assert_close(before[:, :5], after[:, :5])
    assert not torch.allclose(before[:, 5:], after[:, 5:])


@pytest.mark.parametrize("style", STYLES)
def test_padding_and_neighbours_change_nothing(style):
    model, (places, times) = of_style(style), random_batch()
    padded = torch.nn.functional.pad(places[:, :4], (0, 4), value=-1)
    alone = model.newest(places[:1, :4], times[:1, :4])
    torch.testing.assert_close(model.newest(padded, times)[:1], alone)
    nobody = torch.full((1, 8), -1)
    assert not model.newest(nobody, times[:1]).any()


@pytest.mark.parametrize("style", STYLES)
def test_time_counts_where_times_are_times(style):
    places, times = random_batch()
    stretched = times * 1000
    timed, untimed = of_style(style), of_style(style, timed=False)
    assert not torch.allclose(timed.newest(places, times), timed.newest(places, stretched))
    torch.testing.assert_close(untimed.newest(places, times), untimed.newest(places, stretched))


def test_the_sampled_loss_over_every_item_is_the_full_one():
    model, (places, times) = of_style("sasrec"), random_batch()
    states, targets = model(places, times).flatten(0, 1), places.flatten()
    # Each item drawn once: a drawn negative stands for 11/12 of one, the target is left out.
    full = loss_of("full", model, states, targets, torch.arange(0))
    scale = torch.log(torch.tensor(11 / 12))
    logits = model.scores(states) + scale
    logits.scatter_add_(1, targets[:, None], -scale.expand(len(targets), 1))
    expected = torch.nn.functional.cross_entropy(logits, targets, reduction="sum")
    sampled = loss_of("sampled", model, states, targets, torch.arange(12))
    torch.testing.assert_close(sampled, expected)
    assert abs((sampled - full).item()) < 0.1 * len(targets)


@pytest.mark.parametrize("logits_at_once", [1, 1 << 19])
def test_the_full_loss_in_blocks_is_the_one_of_torch(monkeypatch, logits_at_once):
    monkeypatch.setitem(losses._BLOCK, "cpu", logits_at_once)
    random = torch.Generator().manual_seed(3)
    model = Transformer(12, TransformerSettings(**SMALL))
    dim = model.table.embedding_dim
    states = (10 * torch.randn(70, dim, generator=random)).requires_grad_()
    targets = torch.randint(12, (70,), generator=random)
    found = loss_of("full", model, states, targets, torch.arange(0))
    (found / 7).backward()
    gradients = states.grad, model.table.weight.grad
    states.grad = model.table.weight.grad = None
    expected = torch.nn.functional.cross_entropy(model.scores(states), targets, reduction="sum")
    (expected / 7).backward()
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(gradients, (states.grad, model.table.weight.grad))


def test_nothing_to_learn_from_costs_nothing():
    model = of_style("sasrec")
    states = torch.zeros(0, model.table.embedding_dim, requires_grad=True)
    loss = loss_of("full", model, states, torch.arange(0), torch.arange(0))
    loss.backward()
    assert loss.item() == 0
    assert not model.table.weight.grad.any()


def test_the_correction_of_gsasrec():
    assert beta_of(11, 12, trust=0.75) == 1
    assert beta_of(5, 101, trust=0.0) == pytest.approx(1)
    assert beta_of(5, 101, trust=1.0) == pytest.approx(5 / 100)


@pytest.mark.parametrize("length", [3, 5, 50])
def test_every_step_is_learnt_from_once_an_epoch(length):
    sequences = circle(users=7, length=11)
    expected = Counter()
    for user in range(7):
        for step in range(10):
            expected[((user + step) % 12, (user + step + 1) % 12, step)] += 1
    found = Counter()
    for batch in sequences.batches(length, 4, np.random.default_rng(3)):
        assert batch.places.shape[1] <= length
        there = batch.targets >= 0
        assert ((batch.places >= 0) == there).all()
        steps = (batch.times[there] // DAY_MS).tolist()
        found.update(
            zip(batch.places[there].tolist(), batch.targets[there].tolist(), steps, strict=True)
        )
    assert found == expected


def test_nobody_with_two_items_gives_no_batch():
    alone = Sequences(np.arange(3), np.zeros(3, np.int64), np.arange(4))
    assert not list(alone.batches(5, 4, np.random.default_rng(0)))


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("loss", ["full", "sampled", "gbce"])
def test_a_circle_is_learnt(style, loss):
    model, epochs = fit(epochs=30, style=style, loss=loss)
    assert right(model) == 1
    assert epochs[-1].loss < epochs[0].loss


def test_it_stops_when_nothing_gets_better_and_gives_the_best_back():
    metrics = iter([0.1, 0.3, 0.2, 0.25, 0.29, 0.9])
    seen = []

    def judge(model):
        seen.append(model.table.weight.detach().clone())
        return next(metrics)

    settings = (TransformerSettings(**SMALL), EpochSettings(epochs=50, patience=3, batch=8))
    model, epochs = fit_transformer(circle(), 12, judge, settings)
    assert [epoch.metric for epoch in epochs] == [0.1, 0.3, 0.2, 0.25, 0.29]
    assert torch.equal(model.table.weight, seen[1])


def test_a_log_with_much_to_learn_from_gets_a_wider_transformer():
    assert TransformerSettings.usual(WIDE_FROM - 1, timed=False).dim == 64
    assert TransformerSettings.usual(WIDE_FROM, timed=False).dim == 128


def test_what_is_kept_is_the_mean_of_the_steps_and_not_the_last():
    model, mean = (Transformer(12, TransformerSettings(**SMALL)) for _ in range(2))
    run = Standing(model, mean, torch.optim.AdamW(model.parameters()), copy_of(mean))
    for value, share in ((1.0, 1.0), (3.0, 0.5), (4.0, 0.25)):
        with torch.no_grad():
            for table in model.parameters():
                table.fill_(value)
        run.step(0.0, 1, share)
    run.end(Epoch(number=1, loss=0.0, metric=0.5, seconds=0.0))
    kept = [run.best[name] for name, _ in model.named_parameters()]
    assert all(torch.equal(table, torch.full_like(table, 2.5)) for table in kept)
