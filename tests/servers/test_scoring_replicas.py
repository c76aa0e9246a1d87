"""Two real Tritons of which one is stopped, goes on, and is killed under load: each policy."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import get_args

import pytest
from prometheus_client import REGISTRY
from tritonclient.grpc import InferenceServerClient

from inference.releases import install, load, write
from inference.training import train
from schemas.identifiers import item_hash
from streams.scoring.balancing import Name
from streams.scoring.candidates import Wanted
from streams.scoring.client import Scorer
from tests.inference.logs import chains
from tests.servers.conftest import RunningTriton
from tests.streams.user_states import NOW_MS, state_of
from tests.streams.waiting import until

MODEL = "replicas_test"
"""A model of its own, so that other tests may release what they like."""
DEADLINE_MS = 4000
"""Sixteen times the default, for two slow, shared cores."""
EVERY_S = 0.05
WAIT_S = 120.0


@pytest.fixture(scope="module")
def version(
    triton: RunningTriton, second_triton: RunningTriton, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """Of the model, loaded by both and taken out of both at the end."""
    fitted = train(chains(users=40, items=30, length=8))
    folder = write(fitted, tmp_path_factory.mktemp("releases"), {}, model=MODEL)
    install(folder, triton.repository)
    both = (triton, second_triton)
    for one in both:
        load(one.grpc_url, [folder.name], model=MODEL)
    yield folder.name
    for one in both:
        with InferenceServerClient(one.grpc_url) as client:
            client.unload_model(MODEL)
    shutil.rmtree(triton.repository / MODEL)


class Crowd:
    """People who ask at a steady rate, one a request, whatever becomes of it."""

    def __init__(self, scorer: Scorer, version: str) -> None:
        self._scorer, self._version = scorer, version
        self._asks: set[asyncio.Task[None]] = set()
        self.answered = 0
        self.failed: list[str] = []
        """Since they were last looked at."""

    async def _ask(self, number: int) -> None:
        seen = [("click", item_hash(f"i{number % 30}"), NOW_MS)]
        user = Wanted(state_of(seen), 5, (), f"user-{number}")
        (scored,) = await self._scorer.score([user], self._version, DEADLINE_MS)
        if scored.failure is None:
            self.answered += 1
        else:
            self.failed.append(scored.failure)

    def _ended(self, ask: asyncio.Task[None]) -> None:
        self._asks.discard(ask)
        if (error := ask.exception()) is not None:
            self.failed.append(repr(error))

    async def _go_on(self) -> None:
        number = 0
        while True:
            number += 1
            task = asyncio.create_task(self._ask(number))
            self._asks.add(task)
            task.add_done_callback(self._ended)
            await asyncio.sleep(EVERY_S)

    @asynccontextmanager
    async def asking(self) -> AsyncIterator[None]:
        going_on = asyncio.create_task(self._go_on())
        try:
            yield
        finally:
            going_on.cancel()
            await asyncio.gather(*self._asks)

    async def until_answered(self, more: int) -> None:
        enough = self.answered + more
        await until(lambda: self.answered >= enough, WAIT_S)


def requests(triton: RunningTriton, outcome: str = "") -> float:
    """How many were sent to it and have ended, so or anyhow."""
    return sum(
        sample.value
        for family in REGISTRY.collect()
        for sample in family.samples
        if sample.name == "tidemill_scoring_seconds_count"
        and sample.labels["endpoint"] == triton.grpc_url
        and sample.labels["outcome"].startswith(outcome)
    )


def is_ejected(triton: RunningTriton) -> bool:
    labels = {"endpoint": triton.grpc_url}
    return bool(REGISTRY.get_sample_value("tidemill_triton_ejected", labels))


@pytest.mark.parametrize("policy", get_args(Name))
def test_one_that_is_stopped_or_killed_costs_at_most_the_first_deadline_and_comes_back(
    policy: Name, triton: RunningTriton, second_triton: RunningTriton, version: str
) -> None:
    async def is_away(crowd: Crowd) -> None:
        await until(lambda: is_ejected(second_triton), WAIT_S)
        await asyncio.sleep(DEADLINE_MS / 1000)  # who asked before this has his answer now
        crowd.failed.clear()
        before, living = requests(second_triton), requests(triton, "ok")
        await crowd.until_answered(100)
        assert crowd.failed == [], "everybody is answered by the other one"
        assert requests(triton, "ok") - living >= 90
        # At 20 asks a second 100 took 5 seconds or more, and each second one is a probe.
        assert requests(second_triton) - before < 50, "it gets probes only"

    async def is_back() -> None:
        await until(lambda: not is_ejected(second_triton), WAIT_S)
        before = requests(second_triton, "ok")
        await until(lambda: requests(second_triton, "ok") > before + 10, WAIT_S)

    async def run() -> None:
        scorer = Scorer([triton.grpc_url, second_triton.grpc_url], MODEL, policy=policy)
        crowd = Crowd(scorer, version)
        try:
            async with crowd.asking():
                await crowd.until_answered(60)
                assert crowd.failed == []
                second_triton.pause()
                try:
                    await is_away(crowd)
                finally:
                    second_triton.resume()
                await is_back()
                await asyncio.to_thread(second_triton.kill)
                try:
                    await is_away(crowd)
                finally:
                    await asyncio.to_thread(second_triton.start)
                    await asyncio.to_thread(load, second_triton.grpc_url, [version], model=MODEL)
                await is_back()
            assert crowd.failed == []
        finally:
            await scorer.close()

    asyncio.run(run())
