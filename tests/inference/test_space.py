"""A release's text space: where users stand, what a new item is worth, and the file it is in."""

from dataclasses import replace

import numpy as np
import pytest

from inference import arrays, releases
from inference.errors import DataError, GoldenError, ReleaseError
from inference.models.answer import answer
from inference.models.requests import request_of
from inference.models.text import load_encoder
from inference.models.text_file import check_vectors, load_encoder_of, load_said, load_space
from inference.releases import golden
from inference.training import train
from inference.training.space import can_be_fitted, logistic
from schemas.items import item_text
from schemas.releases import TEXT
from schemas.serving import HISTORY_ITEMS, SCORES
from tests.inference.fitted import fitted_by_text
from tests.inference.logs import chains, described_chains, log_of

LOG = described_chains()


def alike(one, other):
    first, second = load_encoder("hashed").encode([one, other])
    return float(first @ second)


def test_hashed_texts_are_as_near_as_they_share_words():
    assert alike("Red Shampoo, 250 ml", "red shampoo | 250 ML") == pytest.approx(1)
    assert alike("red shampoo", "red conditioner") == pytest.approx(0.5, abs=0.15)
    assert alike("指甲油", "油") > 0.4
    assert abs(alike("violin", "lawn mower")) < 0.25
    assert alike("", "| !") == pytest.approx(1)


def test_a_text_says_all_that_is_known_of_an_item():
    said = item_text("Shampoo", ["Hair"], brand="OPI", tags=["new"], description="For dry hair.")
    assert said == "Shampoo | Hair | OPI | new | For dry hair."
    assert item_text(None) == ""


def test_a_user_stands_by_the_newest_items_and_nowhere_without_any():
    space = fitted_by_text().text.space
    order, starts = LOG.by_user
    rows = order[starts[0] : starts[1]]
    request = request_of(LOG, [rows, rows[:0]], 3)
    user, nobody = space.users(request)
    assert np.linalg.norm(user) == pytest.approx(1, abs=1e-3)
    assert not nobody.any()
    ids = [item.item_id for item in fitted_by_text().items]
    newest, oldest = (
        space.vectors[ids.index(LOG.items[LOG.item[row]])].numpy() for row in (rows[-1], rows[0])
    )
    assert user @ newest > user @ oldest
    request[HISTORY_ITEMS][0] = 12345  # nothing that the release knows
    assert not space.users(request).any()


def test_the_scale_grows_with_the_cosine_and_stays_among_the_scores():
    says = fitted_by_text().text.says
    assert (says.encoder, says.dim) == ("hashed", 256)
    order, starts = LOG.by_user
    request = request_of(LOG, [order[starts[0] : starts[1]]], 10)
    best = float(answer(fitted_by_text().model, request)[SCORES].max())
    assert says.slope > 0
    assert says.offset < best


def test_people_who_have_turned_to_everything_tell_no_scale():
    says = train(described_chains(length=15), text="hashed").text.says
    assert (says.slope, says.offset) == (0, 0)


def test_a_logistic_curve_finds_its_own_numbers():
    random = np.random.default_rng(0)
    value = random.normal(size=40_000)
    hit = random.random(40_000) < 1 / (1 + np.exp(-(2 * value - 3)))
    slope, offset = logistic(value, hit.astype(float))
    assert (slope, offset) == (pytest.approx(2, abs=0.1), pytest.approx(-3, abs=0.1))


def test_what_tells_hits_and_misses_apart_without_fail_has_a_finite_slope():
    slope, offset = logistic(np.array([0.0, 0.0, 1.0]), np.array([0.0, 0.0, 1.0]))
    assert 0 < slope < 100
    assert np.isfinite(logistic(np.zeros(5), np.zeros(5))).all()
    assert offset < 0


@pytest.mark.parametrize("name", ["hashed", "bert"])
def test_a_release_carries_it_and_gives_it_back(name, tmp_path):
    fitted = fitted_by_text() if name == "hashed" else train(LOG, text=name)
    folder = releases.write(fitted, tmp_path, {})
    manifest = releases.verify(folder)
    assert manifest.text == fitted.text.says
    assert (folder / TEXT).stat().st_size < 2_000_000  # the tower stays in its wheel
    request = golden.golden_request(fitted)
    space, said = load_space(folder / TEXT), load_said(folder / TEXT)
    check_vectors(folder / TEXT, said.users, space.users(request), "this process")
    encoder = load_encoder_of(folder / TEXT)
    check_vectors(folder / TEXT, said.vectors, encoder.encode(said.texts).numpy(), "this process")
    another = load_encoder(name).encode(said.texts).numpy()
    with pytest.raises(GoldenError, match=r"this one does not reproduce .* 1/text\.npz"):
        check_vectors(folder / TEXT, said.vectors, another, "this one")


def test_a_release_without_texts_is_what_it_was(tmp_path):
    folder = releases.write(replace(fitted_by_text(), text=None), tmp_path, {})
    assert releases.verify(folder).text is None
    assert not (folder / TEXT).exists()


def test_items_without_text_or_users_without_enough_items_are_told():
    assert can_be_fitted(LOG)
    assert not can_be_fitted(chains())
    with pytest.raises(DataError, match="says nothing of its items"):
        train(chains(), text="hashed")
    short = replace(log_of({"ann": "a b", "bob": "b a"}), titles=("one", "two"))
    assert not can_be_fitted(short)
    with pytest.raises(DataError, match="three interactions"):
        train(short, text="hashed")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"encoder": np.frombuffer(b'"elmo"', np.uint8)}, "the encoder 'elmo' is not known"),
        ({"head": np.zeros((3, 3), np.float32)}, "it lacks head or its parts do not fit"),
        ({"format": 7}, "its format is not 1"),
    ],
)
def test_a_file_that_is_no_text_space_is_refused(change, said, tmp_path):
    path = releases.write(fitted_by_text(), tmp_path, {}) / TEXT
    path.write_bytes(arrays.encode(arrays.read(path) | change))
    with pytest.raises(ReleaseError, match=said):
        load_encoder_of(path)
