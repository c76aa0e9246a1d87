"""Which form of a blend is released: the fastest one that is as good; chosen once, and served."""

from functools import partial
from itertools import cycle

import pytest

from inference import releases
from inference.compression import int8_weights, product_table
from inference.compression.ways import NONE
from inference.models.answer import answer
from inference.models.weights import MODEL_FILE, load
from inference.releases.golden import check_answers
from inference.training import train
from inference.training.blend import fit_whole, with_transformer
from inference.training.epochs import EpochSettings
from inference.training.fastest import WITHOUT, Fastest, compressed
from schemas.releases import GOLDEN
from tests.inference.logs import chains


def same(model):
    return model


def timed(*seconds):
    """A clock by which the forms of a blend take so long in turn."""
    at, turns = 0.0, cycle(seconds)
    while True:
        yield at
        at += next(turns)
        yield at


def fitted_with(fastest):
    epochs = EpochSettings(epochs=1)
    sequential = partial(with_transformer, epochs=epochs, fastest=fastest)
    fit = partial(fit_whole, sequential=sequential)
    return compressed(train(chains(), fit=fit), fastest)


@pytest.mark.parametrize(
    ("seconds", "chosen"),
    [
        ((2.0, 1.0, 3.0), "fast"),
        ((1.0, 2.0, 3.0), NONE),
        ((1.0, 0.98, 3.0), NONE),
        ((2.0, 2.0, 1.0), WITHOUT),
    ],
)
def test_of_forms_that_are_as_good_the_fastest_is_released(seconds, chosen):
    fastest = Fastest({NONE: same, "fast": same}, timed(*seconds).__next__)
    fitted = fitted_with(fastest)
    assert fastest.way == fitted.training.compression == chosen
    assert ("transformer" in fitted.training.parts) == (chosen != WITHOUT)
    rates = [form.rows_per_s * spent for form, spent in zip(fastest.found, seconds, strict=True)]
    assert rates[0] == pytest.approx(rates[1])
    assert rates[0] > 1  # users of one request


def test_it_is_chosen_once():
    fastest = Fastest({NONE: same, "fast": same}, timed(2.0, 1.0, 3.0).__next__)
    fitted_with(fastest)
    found = list(fastest.found)
    fitted_with(fastest)
    assert fastest.found == found


@pytest.mark.parametrize(
    "way",
    [int8_weights, lambda model: product_table(int8_weights(model), 8)],
    ids=["weights", "both"],
)
def test_a_smaller_form_is_served_as_it_was_judged(tmp_path, way):
    fastest = Fastest({"smaller": way}, timed(1.0, 2.0).__next__)
    fitted = fitted_with(fastest)
    assert fitted.training.parts[-1] == "transformer"
    folder = releases.write(fitted, tmp_path, {})
    manifest, _ = releases.read(folder)
    assert manifest.training.compression == "smaller"
    served = load(folder / MODEL_FILE)
    check_answers(folder / GOLDEN, lambda request: answer(served, request), "this process")
    plain = releases.write(
        fitted_with(Fastest({NONE: same}, timed(1.0, 2.0).__next__)), tmp_path, {}
    )
    assert (folder / MODEL_FILE).stat().st_size < (plain / MODEL_FILE).stat().st_size


def test_without_a_transformer_there_is_nothing_to_choose():
    fitted = train(chains())
    assert compressed(fitted, Fastest()) == fitted
