"""A release in a real Triton: loaded by request, proved by its golden outputs, asked by hashes."""

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from tritonclient import grpc as triton_grpc
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

from inference import arrays, releases
from inference.data.split import leave_one_out
from inference.errors import GoldenError, ServingError
from inference.models.answer import answer
from inference.models.fit import fit_transitions
from inference.models.requests import request_of
from inference.models.transitions import TransitionSettings
from inference.releases.golden import difference, read
from inference.releases.serving import infer
from inference.training import train
from schemas.identifiers import item_hash
from schemas.releases import GOLDEN
from schemas.serving import (
    BECAUSE,
    EXCLUDE,
    HISTORY_ITEMS,
    ITEMS,
    MAX_USERS,
    MODEL,
    SCORES,
    SOURCE_CODES,
    K,
)
from tests.inference.fitted import fitted_with_every_source


@dataclass
class Served:
    """Two releases of one model in a Triton that serves the first."""

    url: str
    repository: Path
    first: Path
    second: Path
    client: triton_grpc.InferenceServerClient

    def ask(self, request, version="1"):
        return infer(self.client, request, version)

    def serves(self, version) -> bool:
        return bool(self.client.is_model_ready(MODEL, version))


@pytest.fixture(scope="module")
def served(triton, tmp_path_factory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("releases")
    first, second = (releases.write(fitted_with_every_source(), folder, {}) for _ in range(2))
    with triton_grpc.InferenceServerClient(triton.grpc_url) as client:
        _empty(client, triton.repository)
        releases.install(first, triton.repository)
        releases.load(triton.grpc_url, ["1"])
        yield Served(triton.grpc_url, triton.repository, first, second, client)
        _empty(client, triton.repository)


def _empty(client: triton_grpc.InferenceServerClient, repository: Path) -> None:
    """Other tests use the same server; none meets what another left."""
    client.unload_model(MODEL)
    shutil.rmtree(repository / MODEL, ignore_errors=True)


def real(users, k=10):
    """A request with histories of the log."""
    log = fitted_with_every_source().fitted_on
    order, starts = log.by_user
    return request_of(log, [order[starts[user] : starts[user + 1]] for user in users], k)


def _tensors(request):
    found = [
        triton_grpc.InferInput(name, table.shape, np_to_triton_dtype(table.dtype))
        for name, table in request.items()
    ]
    for tensor, table in zip(found, request.values(), strict=True):
        tensor.set_data_from_numpy(table)
    return found


def same(found, expected) -> bool:
    return difference(expected, found) is None


def test_the_golden_outputs_come_out(served):
    releases.check_golden(served.url, served.first, "1")


def test_a_full_request_is_answered_as_in_process(served):
    request = real(range(MAX_USERS), k=20)
    assert same(served.ask(request), answer(fitted_with_every_source().model, request))


def test_what_is_served_is_what_was_judged(served):
    """The evaluation asks the model itself; here the server answers, 32 users at a time."""
    log = fitted_with_every_source().fitted_on
    held = leave_one_out(log)
    for begin in range(0, len(held.histories), MAX_USERS):
        request = request_of(log, held.histories[begin : begin + MAX_USERS], 10)
        judged, found = answer(fitted_with_every_source().model, request), served.ask(request)
        for name in (ITEMS, SOURCE_CODES, BECAUSE):
            np.testing.assert_array_equal(found[name], judged[name])
        np.testing.assert_allclose(found[SCORES], judged[SCORES], rtol=1e-5)


def test_a_release_of_the_first_format_is_still_served(served):
    counted = train(
        fitted_with_every_source().fitted_on,
        fit=partial(fit_transitions, settings=TransitionSettings()),
    )
    old = releases.write(counted, served.first.parent.parent, {})
    releases.install(old, served.repository)
    releases.load(served.url, ["1", old.name])
    releases.check_golden(served.url, old, old.name)
    releases.load(served.url, ["1"])


def test_more_users_than_a_request_takes_are_refused(served):
    with pytest.raises(ServingError, match="32"):
        served.ask(real(range(MAX_USERS + 1)))


def test_each_user_gets_as_many_items_as_asked_and_none_excluded(served):
    request = real(range(6))
    request[K][:, 0] = [1, 3, 200, 7, 2, 5]
    request[EXCLUDE] = np.tile(fitted_with_every_source().fitted_on.item_hashes[:30], (6, 1))
    found = served.ask(request)[ITEMS]
    assert found.shape == (6, 200)
    assert [np.count_nonzero(row) for row in found] == [1, 3, 10, 7, 2, 5]
    assert not np.isin(found[found != 0], request[EXCLUDE]).any()


def test_unknown_items_change_nothing(served):
    request = real([0])
    expected = served.ask(request)
    request[HISTORY_ITEMS] = np.roll(request[HISTORY_ITEMS], 1)
    request[HISTORY_ITEMS][0, 0] = item_hash("never seen")
    request["HISTORY_KINDS"] = np.roll(request["HISTORY_KINDS"], 1)
    assert same(served.ask(request), expected)
    request[HISTORY_ITEMS][:] = item_hash("never seen")
    assert set(served.ask(request)[SOURCE_CODES][0]) == {1}


def test_requests_of_different_shapes_at_once_each_get_their_own_answer(served):
    requests = [
        real(range(n, n + 1 + n % 5), k=1 + n % 7)
        | {EXCLUDE: np.full((1 + n % 5, 1 + n % 3), item_hash(f"i{n % 40}"), np.uint64)}
        for n in range(40)
    ]
    with ThreadPoolExecutor(8) as pool:
        for request, found in zip(requests, pool.map(served.ask, requests), strict=True):
            assert same(found, answer(fitted_with_every_source().model, request))


def test_what_its_caller_gave_up_does_not_hold_up_the_next(served):
    impatient = _tensors(real(range(MAX_USERS)))

    def give_up(_):
        with pytest.raises(InferenceServerException, match="DEADLINE_EXCEEDED"):
            served.client.infer(MODEL, impatient, model_version="1", client_timeout=1e-4)

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(give_up, range(64)))
    assert same(served.ask(real([0])), answer(fitted_with_every_source().model, real([0])))


def test_a_bad_k_is_refused_alone(served):
    request = real([0])
    request[K][:] = 0
    with pytest.raises(ServingError, match="K must be one number a row, 1 to 200"):
        served.ask(request)
    assert served.ask(real([0]))[ITEMS].any()


def test_golden_outputs_of_another_model_are_not_reproduced(served, tmp_path):
    inputs, outputs = read(served.first / GOLDEN)
    outputs[ITEMS][0, :2] = outputs[ITEMS][0, 1::-1]
    (tmp_path / GOLDEN).write_bytes(arrays.encode(inputs | outputs))
    with pytest.raises(GoldenError, match=r"recommender 1 at .* does not reproduce .*user 0"):
        releases.check_golden(served.url, tmp_path, "1")


def test_versions_are_served_side_by_side_and_a_broken_one_changes_nothing(served):
    target = releases.install(served.second, served.repository)
    whole = (target / GOLDEN).read_bytes()
    inputs, outputs = read(target / GOLDEN)
    outputs[ITEMS][0, :2] = outputs[ITEMS][0, 1::-1]
    (target / GOLDEN).write_bytes(arrays.encode(inputs | outputs))
    with pytest.raises(ServingError, match="does not reproduce"):
        releases.load(served.url, ["1", "2"])
    assert served.ask(real([0]))[ITEMS].any()

    (target / GOLDEN).write_bytes(whole)
    releases.load(served.url, ["1", "2"])
    for version, folder in (("1", served.first), ("2", served.second)):
        releases.check_golden(served.url, folder, version)

    releases.load(served.url, ["1"])
    assert served.serves("1")
    assert not served.serves("2")
    with pytest.raises(ServingError, match="recommender 2 did not answer"):
        served.ask(real([0]), version="2")


def test_a_version_that_is_not_installed_does_not_load(served):
    with pytest.raises(ServingError, match=f"Triton at {served.url} does not serve recommender 7"):
        releases.load(served.url, ["1", "7"])
    assert served.ask(real([0]))[ITEMS].any()


def test_no_triton_is_one_sentence():
    with pytest.raises(ServingError, match=r"Triton at 127\.0\.0\.1:1 did not load recommender"):
        releases.load("127.0.0.1:1", ["1"])
