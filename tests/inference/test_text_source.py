"""What is said alike, as a source of the blend: found, explained, released and switched off."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from inference import releases
from inference.data.split import leave_one_out
from inference.evaluation import evaluate
from inference.models.answer import answer
from inference.models.nearest import nearest
from inference.models.requests import request_of
from inference.models.text import load_encoder
from inference.models.weights import MODEL_FILE, load
from inference.releases.golden import check_answers
from inference.training import train
from inference.training.blend import fit_whole
from inference.training.sources import COUNTED, fit_sources
from inference.training.vectors import fit_vectors
from schemas.releases import GOLDEN
from schemas.serving import BECAUSE, ITEMS, SOURCE_CODES, SOURCES
from tests.inference.logs import chains, described_chains

LOG = described_chains()
ONLY = fit_sources(LOG, ("text",))


def dense(source):
    table = torch.zeros(source.items, source.items)
    of = torch.repeat_interleave(source.starts.diff())
    table[of, source.successors] = source.weights
    return table


@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 2**16))
def test_of_each_item_the_nearest_are_kept(items, kept, seed):
    random = torch.Generator().manual_seed(seed)
    rows = torch.nn.functional.normalize(torch.randn(items, 3, generator=random), dim=1)
    cosines = (rows @ rows.T).fill_diagonal_(0).clamp(min=0)
    found = dense(nearest(rows, kept))
    best = cosines.topk(min(kept, items), dim=1)
    expected = torch.zeros_like(cosines).scatter_(1, best.indices, best.values)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(dense(nearest(rows.to_sparse(), kept)), found, atol=1e-5, rtol=0)


def test_an_item_is_shown_because_of_one_that_is_said_like_it():
    order, starts = LOG.by_user
    first = order[starts[0] : starts[0] + 1]
    words = {*LOG.titles[LOG.item[first[0]]].split()}
    found = answer(ONLY, request_of(LOG, [first], 2))
    titles = dict(zip(LOG.item_hashes.tolist(), LOG.titles, strict=True))
    for shown, because in zip(found[ITEMS][0], found[BECAUSE][0], strict=True):
        assert words & {*titles[int(shown)].split()}
        assert because == LOG.item_hashes[LOG.item[first[0]]]
    assert {SOURCES[code] for code in found[SOURCE_CODES][0]} == {"text"}


def test_an_item_without_text_is_near_to_nothing():
    known = np.arange(len(LOG.items))
    titles = (None, *LOG.titles[1:])
    _, vectors = fit_vectors(replace(LOG, titles=titles), known, "hashed")
    assert not vectors[0].any()
    torch.testing.assert_close(vectors[1:].norm(dim=1), torch.ones(len(known) - 1))
    assert not nearest(vectors, 5).weights[: int(nearest(vectors, 5).starts[1])].numel()


def test_the_head_has_not_seen_what_is_held_out():
    held = leave_one_out(LOG, "validation")
    known = np.arange(len(LOG.items))
    whole, less = (fit_vectors(log, known, "hashed")[1] for log in (LOG, held.fit))
    assert not torch.equal(whole, less)
    again = fit_vectors(held.fit, known, "hashed")[1]
    assert torch.equal(less, again)


def test_another_encoder_reads_the_same_texts():
    by_bert = fit_sources(LOG, ("text",), "bert").counted["text"]
    assert by_bert.items == ONLY.counted["text"].items
    assert not torch.equal(dense(by_bert), dense(ONLY.counted["text"]))
    assert load_encoder("bert").tower.dim != load_encoder("hashed").tower.dim


def test_where_nothing_is_said_there_is_no_such_part():
    assert "text" not in fit_sources(chains()).parts
    assert fit_sources(LOG).parts == ("popular", "transitions", "ease", "content", "text")


@pytest.mark.parametrize("parts", [COUNTED, tuple(part for part in COUNTED if part != "text")])
def test_a_release_holds_it_or_not_and_answers_as_it_was_fitted(parts, tmp_path):
    fitted = train(LOG, fit=partial(fit_whole, parts=parts))
    assert fitted.training.parts == [*parts]
    folder = releases.write(fitted, tmp_path, {})
    served = load(folder / MODEL_FILE)
    check_answers(folder / GOLDEN, lambda request: answer(served, request), "this process")
    assert ("text" in served.sources) == ("text" in parts)


def test_ablation_shows_what_it_is_worth():
    found = evaluate(LOG, k=1, ablate=True).results
    assert "blend without text" in found
    assert "blend without text" not in evaluate(chains(), k=1, ablate=True).results
