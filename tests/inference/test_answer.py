"""The door of the model: what it refuses, and how requests are taken together."""

import io

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from inference.errors import ReleaseError, RequestError
from inference.models import weights
from inference.models.answer import answer, merge, split
from inference.models.fit import fit_transitions
from inference.models.requests import request_of
from inference.models.transformer import Transformer, TransformerSettings
from inference.models.transitions import TransitionSettings
from inference.models.vocabulary import NO_IMAGE, Vocabulary, to_hashes, to_images
from inference.training import train
from schemas import serving
from schemas.state import KIND_CODES
from tests.inference.fitted import fitted
from tests.inference.logs import chains, log_of

LOG = chains()
ORDER, STARTS = LOG.by_user


def asked(users, k, *, exclude_seen=True):
    rows = [ORDER[STARTS[user] : STARTS[user + 1]] for user in users]
    return request_of(LOG, rows, k, exclude_seen=exclude_seen)


@given(st.lists(st.integers(0, 2**64 - 1), min_size=1))
def test_images_keep_the_order_and_come_back(hashes):
    hashes = np.array(hashes, np.uint64)
    images = to_images(hashes)
    np.testing.assert_array_equal(to_hashes(images), hashes)
    np.testing.assert_array_equal(np.argsort(images), np.argsort(hashes))


@given(st.sets(st.integers(1, 2**64 - 1), min_size=1), st.lists(st.integers(0, 2**64 - 1)))
def test_the_vocabulary_finds_what_it_holds_and_nothing_else(known, others):
    hashes = np.array(sorted(known, reverse=True), np.uint64)
    vocabulary = Vocabulary(hashes)
    wanted = np.concatenate([hashes, np.array(others, np.uint64)])
    found = vocabulary.find(torch.from_numpy(to_images(wanted))).tolist()
    assert found[: len(hashes)] == list(range(len(hashes)))
    places = {int(value): place for place, value in enumerate(hashes)}
    assert found[len(hashes) :] == [places.get(other, -1) for other in others]
    assert vocabulary.find(torch.tensor([NO_IMAGE])).tolist() == [-1]


def test_requests_taken_together_are_answered_as_alone():
    requests = [asked([0, 1], 3), asked([2], 7, exclude_seen=False), asked([5, 6, 7], 1)]
    parts = split(answer(fitted().model, merge(requests)), requests)
    for request, part in zip(requests, parts, strict=True):
        for name, table in answer(fitted().model, request).items():
            np.testing.assert_array_equal(part[name], table)


@pytest.mark.parametrize(
    ("name", "table", "said"),
    [
        (serving.K, np.array([[0]], np.int32), "K must be one number a row, 1 to 200"),
        (serving.K, np.array([[201]], np.int32), "K must be one number a row, 1 to 200"),
        (serving.K, np.array([[1, 1]], np.int32), "K must be one number a row, 1 to 200"),
        (serving.K, np.array([[1], [1]], np.int32), "HISTORY_ITEMS has 1 rows, K has 2"),
        (serving.K, np.array([1], np.int32), "K is int32 of 1 dimensions, not int32 of 2"),
        (serving.EXCLUDE, np.zeros((1, 1), np.int64), "EXCLUDE is int64 of 2"),
        (serving.HISTORY_KINDS, np.zeros((1, 3), np.uint8), r"HISTORY_KINDS is \(1, 3\), not"),
    ],
)
def test_what_breaks_the_contract_is_refused(name, table, said):
    with pytest.raises(RequestError, match=said):
        answer(fitted().model, asked([0], 1) | {name: table})


def test_a_missing_tensor_is_named():
    request = asked([0], 1)
    del request[serving.EXCLUDE]
    with pytest.raises(RequestError, match="EXCLUDE is missing"):
        answer(fitted().model, request)


def test_unknown_kind_codes_are_not_positive():
    request = asked([0], 3)
    request[serving.HISTORY_KINDS][:] = 255
    codes = answer(fitted().model, request)[serving.SOURCE_CODES]
    assert {serving.SOURCES[code] for code in codes.flat} == {"popular"}


def test_values_travel_as_states_write_them():
    log = log_of({"ann": "a b", "bob": "b a"}, kinds={("ann", "a"): "rating"})
    log.value[:] = 4
    request = request_of(log, [log.by_user[0][:2]], 1)
    assert request[serving.HISTORY_KINDS][0, :2].tolist() == [
        KIND_CODES["click"],
        KIND_CODES["rating"],
    ]
    assert request[serving.HISTORY_VALUES][0, :2].tolist() == [0, round(4 / 5 * 65535)]


def joined():
    torch.manual_seed(0)
    model = Transformer(len(fitted().items), TransformerSettings(dim=16, timed=False)).eval()
    return fitted().model.joined_by(model)


@pytest.mark.parametrize(
    "made",
    [
        lambda: fitted().model,
        lambda: fitted().model.only(("popular", "ease")),
        lambda: fit_transitions(LOG, TransitionSettings(reach=2)),
        joined,
    ],
    ids=["blend", "part", "transitions", "transformer"],
)
def test_a_model_comes_back_from_its_file_and_bytes_are_the_same(tmp_path, made):
    model = made()
    content = weights.encode(model)
    (tmp_path / "model.npz").write_bytes(content)
    loaded = weights.load(tmp_path / "model.npz")
    assert weights.encode(loaded) == content
    for name, table in answer(loaded, asked([0, 3], 5)).items():
        np.testing.assert_array_equal(table, answer(model, asked([0, 3], 5))[name])


def test_the_same_log_gives_the_same_bytes():
    assert weights.encode(train(LOG).model) == weights.encode(fitted().model)


def test_parts_of_two_models_are_refused(tmp_path):
    tables = dict(np.load(io.BytesIO(weights.encode(joined()))))
    np.savez(tmp_path / "model.npz", **{**tables, "transformer/last.weight": np.ones(3)})
    with pytest.raises(ReleaseError, match=r"model\.npz: its parts do not fit together"):
        weights.load(tmp_path / "model.npz")
    del tables["ease/weights"]
    np.savez(tmp_path / "model.npz", **tables)
    with pytest.raises(ReleaseError, match="it lacks 'ease/weights"):
        weights.load(tmp_path / "model.npz")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 not really", b"text"])
def test_a_damaged_model_file_is_refused(tmp_path, content):
    (tmp_path / "model.npz").write_bytes(content)
    with pytest.raises(ReleaseError, match=r"model\.npz: it cannot be read"):
        weights.load(tmp_path / "model.npz")


def test_a_model_of_another_format_is_refused(tmp_path):
    np.savez(tmp_path / "model.npz", format=99)
    with pytest.raises(ReleaseError, match="format 99 is not known"):
        weights.load(tmp_path / "model.npz")
