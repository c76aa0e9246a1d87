"""The transformer, its losses and its training: what it may look at, learns and remembers."""

from collections import Counter

import numpy as np
import pytest
import torch

from inference.errors import CheckpointError
from inference.models.losses import beta_of, loss_of
from inference.models.transformer import Transformer, TransformerSettings
from inference.training.epochs import EpochSettings, fit_transformer
from inference.training.sequences import Sequences

SMALL = {"dim": 16, "blocks": 1, "heads": 2, "length": 8, "dropout": 0.1}
STYLES = ("sasrec", "hstu")
DAY_MS = 86_400_000


def circle(users=40, items=12, length=6):
    starts = np.arange(users + 1) * length
    user, step = np.divmod(np.arange(users * length), length)
    return Sequences((user + step) % items, step * DAY_MS, starts)


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
    expected = torch.nn.functional.cross_entropy(logits, targets)
    sampled = loss_of("sampled", model, states, targets, torch.arange(12))
    torch.testing.assert_close(sampled, expected)
    assert abs((sampled - full).item()) < 0.1


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


def right(model):
    """The share of the items after which the circle's next one scores highest."""
    with torch.no_grad():
        states = model(torch.arange(12)[:, None], torch.zeros(12, 1, dtype=torch.int64))[:, 0]
        return float((model.scores(states).argmax(1) == (torch.arange(12) + 1) % 12).float().mean())


def fit(path=None, *, epochs=4, seed=0, data="some", loss=None, style="sasrec", patience=99):
    settings = (
        TransformerSettings(style=style, **SMALL),
        EpochSettings(epochs=epochs, patience=patience, batch=8, rate=0.02, loss=loss, drawn=8),
    )
    kept = (path, data) if path else None
    return fit_transformer(circle(), 12, right, settings, seed=seed, kept=kept)


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("loss", ["full", "sampled", "gbce"])
def test_a_circle_is_learnt(style, loss):
    model, epochs = fit(epochs=15, style=style, loss=loss)
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


class StoppedError(Exception):
    """What stops a run in the middle."""


def test_a_run_that_was_stopped_goes_on_as_if_it_had_not_been(tmp_path):
    path = tmp_path / "run" / "checkpoint.npz"

    def stop(epoch):
        if epoch.number == 2:
            raise StoppedError

    settings = (
        TransformerSettings(**SMALL),
        EpochSettings(epochs=4, patience=99, batch=8, rate=0.02, drawn=8),
    )
    with pytest.raises(StoppedError):
        fit_transformer(circle(), 12, right, settings, kept=(path, "some"), report=stop)
    resumed, epochs = fit(path)
    straight, others = fit()
    assert [(e.number, e.loss, e.metric) for e in epochs] == [
        (e.number, e.loss, e.metric) for e in others
    ]
    for name, table in straight.state_dict().items():
        assert torch.equal(table, resumed.state_dict()[name])
    assert [entry.name for entry in path.parent.iterdir()] == ["checkpoint.npz"]


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 0.999])
def test_a_checkpoint_that_was_cut_off_is_refused(tmp_path, share):
    path = tmp_path / "checkpoint.npz"
    fit(path, epochs=1)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(CheckpointError, match=r"checkpoint\.npz: it is no whole checkpoint"):
        fit(path)


def test_a_checkpoint_with_a_changed_byte_is_refused(tmp_path):
    path = tmp_path / "checkpoint.npz"
    fit(path, epochs=1)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="it is no whole checkpoint"):
        fit(path)


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"seed": 1}, "its seed is 0, this run's is 1"),
        ({"data": "else"}, "its data is some, this run's is else"),
        ({"style": "hstu"}, "its settings is "),
    ],
)
def test_a_checkpoint_of_another_run_is_refused(tmp_path, other, said):
    path = tmp_path / "checkpoint.npz"
    fit(path, epochs=1)
    with pytest.raises(CheckpointError, match=said):
        fit(path, **({"epochs": 1} | other))
