"""Golden outputs: what passes as the same answer and what does not."""

import numpy as np
import pytest

from inference import arrays
from inference.errors import GoldenError, ReleaseError
from inference.models.answer import answer
from inference.releases.golden import check_answers, difference, make, read
from schemas.serving import BECAUSE, HISTORY_ITEMS, ITEMS, MAX_USERS, SCORES, SOURCE_CODES, SOURCES
from tests.inference.fitted import fitted


@pytest.fixture
def golden(tmp_path):
    path = tmp_path / "golden.npz"
    path.write_bytes(make(fitted()))
    return path


def test_they_hold_real_histories_a_new_user_and_an_unknown_item(golden):
    inputs, outputs = read(golden)
    assert len(inputs[HISTORY_ITEMS]) == MAX_USERS
    assert inputs[HISTORY_ITEMS][:-2].any(1).all()
    assert not inputs[HISTORY_ITEMS][-2].any()
    assert inputs[HISTORY_ITEMS][-1, 0] not in fitted().fitted_on.item_hashes
    assert outputs[SOURCE_CODES][-2, 0] == SOURCES.index("popular")
    assert SOURCES[outputs[SOURCE_CODES][-1, 0]] in ("transitions", "ease")


def test_the_model_reproduces_them(golden):
    check_answers(golden, lambda request: answer(fitted().model, request), "this process")


def test_a_server_that_repeats_its_first_row_is_caught(golden):
    def broken(request):
        first = {name: np.repeat(table[:1], len(table), 0) for name, table in request.items()}
        return answer(fitted().model, first)

    with pytest.raises(GoldenError, match=r"some server does not reproduce .*golden\.npz: user 1"):
        check_answers(golden, broken, "some server")


def test_empty_or_foreign_golden_files_prove_nothing(golden):
    inputs, outputs = read(golden)
    golden.write_bytes(arrays.encode(inputs | {n: t * 0 for n, t in outputs.items()}))
    with pytest.raises(ReleaseError, match="its golden outputs are empty"):
        check_answers(golden, lambda request: request, "any")
    golden.write_bytes(arrays.encode(inputs))
    with pytest.raises(ReleaseError, match="it lacks BECAUSE, ITEMS, SCORES, SOURCES"):
        read(golden)


def outputs_of(items, scores, because=None):
    shape = (1, len(items))
    return {
        ITEMS: np.array([items], np.uint64),
        SCORES: np.array([scores], np.float32),
        SOURCE_CODES: np.array([[2 if item else 0 for item in items]], np.uint8),
        BECAUSE: np.array([because], np.uint64) if because else np.zeros(shape, np.uint64),
    }


EXPECTED = outputs_of([11, 12, 13], [0.9, 0.5, 0.4999])


@pytest.mark.parametrize(
    "found",
    [
        EXPECTED,
        outputs_of([11, 12, 13], [0.9003, 0.5, 0.4999]),
        outputs_of([11, 13, 12], [0.9, 0.5, 0.4999]),
        outputs_of([11, 12, 14], [0.9, 0.5, 0.4999]),  # as good as the last, which was cut off
    ],
)
def test_the_same_up_to_ties(found):
    assert difference(EXPECTED, found) is None


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (outputs_of([12, 11, 13], [0.9, 0.5, 0.4999]), "place 0: item 12 instead of 11"),
        (outputs_of([14, 12, 13], [0.9, 0.5, 0.4999]), "place 0: item 14 instead of 11"),
        (outputs_of([11, 12, 13], [0.8, 0.5, 0.4999]), "place 0: score 0.8 instead of 0.9"),
        (outputs_of([11, 12, 0], [0.9, 0.5, 0.4999]), "place 2: item 0 instead of 13"),
        (outputs_of([11, 12, 12], [0.9, 0.5, 0.4999]), "an item stands in two places"),
        (outputs_of([11, 12], [0.9, 0.5]), "ITEMS has shape (1, 2) instead of (1, 3)"),
        (outputs_of([11, 12, 13], [0.9, 0.5, float("nan")]), "place 2: score nan"),
        (outputs_of([11, 12, 13], [0.9, 0.5, 0.4999], [7, 0, 0]), "BECAUSE 7 instead of 0"),
        ({**EXPECTED, SOURCE_CODES: EXPECTED[SOURCE_CODES] * 0}, "SOURCES 0 instead of 2"),
        ({ITEMS: EXPECTED[ITEMS]}, "SCORES is missing"),
    ],
)
def test_what_differs_is_said(found, said):
    assert said in str(difference(EXPECTED, found))


def test_small_scores_must_agree_too():
    popular = outputs_of([11, 12], [1e-6, 5e-7])
    assert difference(popular, outputs_of([12, 11], [1e-6, 5e-7])) is not None
