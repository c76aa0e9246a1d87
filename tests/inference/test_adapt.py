"""A BERT learns by few numbers beside its own; what it learnt stays, and peft goes."""

from dataclasses import replace

import pytest
import torch

from inference.errors import TrainingError
from inference.evaluation.cold import evaluate_cold
from inference.models.text import Texts, load_encoder
from inference.training import adapt
from inference.training.adapt import METHODS, AdaptSettings, adapter_of, widen
from inference.training.text import TextSettings, fine_tune
from tests.inference.test_cold import shop
from tests.inference.test_text import QUICK, alike, music_and_gardens

SMALL = AdaptSettings(layers=1, rates=(5e-3, 5e-2, 1e-1))
LAYER = 1_774_464
"""Numbers of one of its layers."""
HEAD = 384 * 384
LINEARS = 4 * (384 + 384) + 2 * (384 + 1536)
"""Sides of the linear parts of a layer: so many numbers a rank."""
LEARNT = {
    "full": LAYER,
    "lora": LINEARS * SMALL.rank,
    "adalora": LINEARS * SMALL.first_rank + 6 * SMALL.first_rank,
    "prefix": 2 * SMALL.prefix * 384,
}


def nearer(encoder):
    hose = alike(encoder, "viola strings", "garden hose pipe")
    return hose - alike(encoder, "viola strings", "lawn mower wheel")


@pytest.mark.parametrize("method", METHODS)
def test_layers_learn_and_stay_plain(method):
    log, texts = music_and_gardens()
    encoder, told = load_encoder("bert"), []
    widen(encoder.tower, SMALL.layers)
    read, before = Texts(encoder, texts), nearer(encoder)
    kept = {name: table.clone() for name, table in encoder.state_dict().items()}
    adapter = adapter_of(method, encoder.tower, SMALL)
    settings = replace(QUICK, head_steps=0, head_rate=1e-9)
    fine_tune(encoder, log, read, settings, adapter=adapter, report=told.append)
    assert nearer(encoder) > before + 0.01
    (phase,) = told
    assert phase.parameters == LEARNT[method] + HEAD
    now = encoder.state_dict()
    prefixes = {"tower.layers.5.prefix"} if method == "prefix" else set()
    assert set(now) == set(kept) | prefixes
    moved = {name for name in kept if not torch.allclose(now[name], kept[name], atol=1e-6)}
    assert all(name.startswith("tower.layers.5.") for name in moved)
    assert bool(moved) == (method != "prefix")
    assert not any(weight.requires_grad for weight in encoder.parameters())
    vectors = encoder.encode(["a", "garden hose pipe"])
    torch.testing.assert_close(vectors[:1], encoder.encode(["a"]), atol=1e-5, rtol=0)


def test_side_by_side_from_one_head():
    settings = TextSettings(head_steps=5, head_batch=16, steps=2, batch=8)
    found = evaluate_cold(shop(), adapt=("lora", "prefix"), settings=settings)
    rows = found.results
    assert list(rows)[-4:] == ["bert as it comes", "bert, its head", "bert, lora", "bert, prefix"]
    assert rows["bert, its head"].parameters == HEAD
    assert rows["bert, prefix"].parameters < rows["bert, lora"].parameters


def test_what_cannot_be_adapted_is_told(monkeypatch):
    universal = load_encoder("universal").tower
    for call in (widen, lambda tower: adapter_of("lora", tower)):
        with pytest.raises(TrainingError, match="only a BERT has layers"):
            call(universal)
    monkeypatch.setattr(adapt, "find_spec", lambda _: None)
    with pytest.raises(TrainingError, match=r"lora needs peft: pip install 'tidemill\[adapt\]'"):
        adapter_of("lora", load_encoder("bert").tower)
