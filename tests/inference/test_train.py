"""What a training run leaves behind."""

from functools import partial

import pytest
import torch

from inference.data import load
from inference.data.split import leave_one_out
from inference.errors import DataError
from inference.models.answer import answer
from inference.models.requests import request_of
from inference.training import train
from inference.training.blend import (
    Pair,
    fit_blend,
    fit_whole,
    with_transformer,
)
from inference.training.epochs import EpochSettings
from inference.training.progress import Epoch
from inference.training.report import Kept
from inference.training.sources import COUNTED, fit_sources
from schemas.serving import SOURCE_CODES, SOURCES
from tests.inference.logs import DAY_S, START_S, chains, log_of

UNDESCRIBED = tuple(part for part in COUNTED if part not in ("content", "text"))
"""What is counted where nothing says what the items are."""
LOG = log_of({"ann": "a b c", "bob": "a c", "cy": "d a"})


def test_the_record_and_the_items():
    fitted = train(LOG)
    assert (fitted.items[0].item_id, fitted.items[0].interactions) == ("a", 3)
    assert {item.item_id for item in fitted.items} == set("abcd")
    record = fitted.training
    assert (record.dataset, record.interactions, record.users) == ("small", 7, 3)


def test_it_is_the_blend_and_each_part_can_be_left_out():
    assert train(LOG).training.parts == [*UNDESCRIBED]
    for off in UNDESCRIBED:
        parts = tuple(part for part in UNDESCRIBED if part != off)
        fitted = train(chains(), fit=partial(fit_whole, parts=parts))
        assert tuple(fitted.training.parts) == parts
        order, starts = fitted.fitted_on.by_user
        request = request_of(fitted.fitted_on, [order[starts[0] : starts[1]]], 5)
        assert SOURCES.index(off) not in answer(fitted.model, request)[SOURCE_CODES]


def test_what_was_judged_is_what_is_released(tmp_path):
    log, told = chains(), []

    def note(said):
        if isinstance(said, Epoch):
            told.append(said)

    epochs = EpochSettings(epochs=3, patience=2)
    given = {"epochs": epochs, "checkpoint": tmp_path / "run", "report": note}
    held = leave_one_out(log, "validation")
    sources = fit_sources(held.fit)
    judged = with_transformer(Pair(sources, sources, held), held.fit, **given).ranked()
    first = len(told)
    kept = Kept(note)
    given["report"] = kept
    fitted = train(log, fit=partial(fit_whole, sequential=partial(with_transformer, **given)))
    assert fitted.training.parts == [*UNDESCRIBED, "transformer"]
    assert torch.equal(fitted.model.weights, judged.weights)
    best = max(told[:first], key=lambda epoch: epoch.metric)
    assert len(told) == first + best.number  # nothing was fitted twice
    assert (kept.judged, kept.whole) == (told[:first], told[first:])
    assert all(epoch.metric is None for epoch in kept.whole)
    assert torch.equal(fit_whole(log).whole.weights, fit_blend(held.fit, held).weights)


def test_the_future_is_left_out():
    fitted = train(LOG, until_ms=(START_S + DAY_S) * 1000)
    assert {item.item_id for item in fitted.items} == {"a", "d"}
    assert fitted.training.interactions == 3


def test_the_fingerprint_is_of_what_was_fitted_on():
    whole, again, part = train(LOG), train(LOG), train(LOG, until_ms=(START_S + 1) * 1000)
    assert whole.training.fingerprint == again.training.fingerprint
    assert whole.training.fingerprint != part.training.fingerprint
    assert whole.training.fingerprint != train(chains()).training.fingerprint


def test_nothing_before_the_cut():
    with pytest.raises(DataError, match=f"no interaction to fit on before {START_S * 1000}"):
        train(LOG, until_ms=START_S * 1000)


def test_a_log_without_times_cannot_be_cut(tmp_path):
    (tmp_path / "a.txt").write_text("1 1 2\n2 2 1\n")
    with pytest.raises(DataError, match="has no times, so it cannot be cut"):
        train(load("s3rec", tmp_path / "a.txt", tmp_path), until_ms=1)
