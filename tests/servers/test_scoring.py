"""The scorer against the real Triton: what it answers, and how it is found again after a fault."""

import asyncio
import shutil
from collections.abc import Awaitable, Callable, Iterator

import numpy as np
import pytest
from tritonclient.grpc import InferenceServerClient

from inference.data.interactions import Interactions
from inference.models.answer import answer
from inference.releases import install, load, write
from inference.training import Fitted, train
from schemas.identifiers import item_hash
from schemas.serving import ITEMS, SCORES
from schemas.state import EMPTY, KIND_CODES
from streams.scoring.candidates import Scored, Wanted
from streams.scoring.client import Scorer
from streams.scoring.encode import encode
from tests.servers.conftest import RunningTriton
from tests.streams.user_states import NOW_MS, state_of

MODEL = "scoring_test"
"""A model of its own, so that other tests may release what they like."""
ITEM_IDS = tuple(f"film-{n}" for n in range(60))
LONG_MS = 60_000
SHORT_MS = 300


@pytest.fixture(scope="module")
def fitted() -> Fitted:
    """Fitted on 40 people who each see 8 of 60 films, mostly in the same order."""
    chance = np.random.default_rng(1)
    user = np.repeat(np.arange(40), 8)
    item = (np.tile(np.arange(8), 40) + np.repeat(chance.integers(0, 60, 40), 8)) % 60
    rows = len(user)
    return train(
        Interactions(
            name="films in a row",
            users=tuple(f"u{n}" for n in range(40)),
            items=ITEM_IDS,
            user=user.astype(np.int32),
            item=item.astype(np.int32),
            time_ms=NOW_MS + np.arange(rows),
            value=np.full(rows, np.nan, np.float32),
            kind=np.full(rows, KIND_CODES["click"], np.uint8),
            line=np.arange(1, rows + 1),
        )
    )


@pytest.fixture(scope="module")
def version(
    fitted: Fitted, triton: RunningTriton, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """Of the model, released into the running Triton and taken out of it at the end."""
    folder = write(fitted, tmp_path_factory.mktemp("releases"), {}, model=MODEL)
    install(folder, triton.repository)
    load(triton.grpc_url, [folder.name], model=MODEL)
    yield folder.name
    with InferenceServerClient(triton.grpc_url) as client:
        client.unload_model(MODEL)
    shutil.rmtree(triton.repository / MODEL)


def users(count: int) -> list[Wanted]:
    """Who saw up to five films in a row and excludes one; every seventh is new."""
    wanted = []
    for n in range(count):
        seen = [item_hash(ITEM_IDS[(n + step) % 60]) for step in range(n % 6)]
        state = state_of([("click", item, NOW_MS + at) for at, item in enumerate(seen)])
        exclude = [*seen, item_hash(ITEM_IDS[(n + 9) % 60])]
        wanted.append(Wanted(EMPTY if n % 7 == 0 else state, 1 + n % 20, exclude))
    return wanted


def with_scorer(triton: RunningTriton, test: Callable[[Scorer], Awaitable[None]]) -> None:
    async def run() -> None:
        scorer = Scorer([triton.grpc_url], MODEL)
        try:
            await test(scorer)
        finally:
            await scorer.close()

    asyncio.run(run())


async def until_scored(scorer: Scorer, version: str) -> Scored:
    """Asks until there is an answer; the test's own timeout ends it if there never is one."""
    while True:
        (scored,) = await scorer.score(users(2)[1:], version, LONG_MS)
        if scored.failure is None:
            return scored
        await asyncio.sleep(0.05)


def test_triton_answers_as_the_model_does(
    triton: RunningTriton, version: str, fitted: Fitted
) -> None:
    wanted = users(70)
    tensors = answer(fitted.model.cpu(), encode(wanted))

    async def test(scorer: Scorer) -> None:
        scored = await scorer.score(wanted, version, LONG_MS)
        for row, (user, (candidates, failure, _)) in enumerate(zip(wanted, scored, strict=True)):
            assert failure is None
            there = tensors[ITEMS][row][: user.k] != 0
            scores = tensors[SCORES][row][: user.k][there]
            assert [c.score for c in candidates] == pytest.approx(scores.tolist(), abs=1e-4)
            assert not {c.item for c in candidates} & set(user.exclude)
            if user.state.history:
                assert any(c.source in ("transitions", "ease") and c.because for c in candidates)
            else:
                assert {c.source for c in candidates} == {"popular"}

    with_scorer(triton, test)


def test_a_version_that_is_not_served_is_unavailable(triton: RunningTriton, version: str) -> None:
    async def test(scorer: Scorer) -> None:
        assert await scorer.score(users(1), "9999", LONG_MS) == [Scored([], "unavailable")]
        await until_scored(scorer, version)

    with_scorer(triton, test)


def test_a_stopped_triton_is_unavailable_and_found_again(
    triton: RunningTriton, version: str
) -> None:
    async def test(scorer: Scorer) -> None:
        await until_scored(scorer, version)
        await asyncio.to_thread(triton.stop)
        try:
            for _ in range(10):
                scored = await scorer.score(users(40), version, LONG_MS)
                assert {one.failure for one in scored} == {"unavailable"}
        finally:
            await asyncio.to_thread(triton.start)
        await asyncio.to_thread(load, triton.grpc_url, [version], model=MODEL)
        await until_scored(scorer, version)

    with_scorer(triton, test)


def test_a_paused_triton_costs_the_deadline_at_most_and_is_found_again(
    triton: RunningTriton, version: str
) -> None:
    async def test(scorer: Scorer) -> None:
        await until_scored(scorer, version)
        triton.pause()
        try:
            failures = [
                one.failure
                for _ in range(20)
                for one in await scorer.score(users(1), version, SHORT_MS)
            ]
        finally:
            triton.resume()
        assert failures[0] == "deadline"
        assert set(failures) == {"deadline", "unavailable"}
        await until_scored(scorer, version)

    with_scorer(triton, test)
