"""What the lane makes of asks while a worker or Triton stands still: late asks are scored, people
who wait get the fallback in time, and neither costs the other anything.
"""

import asyncio
import shutil
import signal
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tritonclient import grpc

from inference import releases
from infra import control
from infra.local import ports
from schemas.control import ModelRelease, Served
from schemas.recommendations import Recommendation
from schemas.serving import MAX_USERS, MODEL
from schemas.topics import ITEM_UPDATES, MODEL_RELEASES, RECOMMENDATIONS
from streams.lane.forwarding import partition_of
from streams.settings import Settings
from tests.inference.fitted import fitted_for_triton
from tests.servers.conftest import PARTITIONS, RunningKafka, RunningTriton
from tests.servers.crowd import ITEMS, RATE, USERS, Crowd
from tests.servers.workers import (
    DEADLINE_S,
    Log,
    Worker,
    answered,
    item,
    own,
    recommendations,
    until,
)
from tests.servers.workers import produce as produce_values
from tests.streams.misbehaving_triton import Answer, MisbehavingTriton

AWAY_S = 30.0
DEADLINE_MS = 1000
"""Four times the default, for two slow, shared cores."""
ALLOWANCE_MS = 2000
"""For what such a machine takes on top: a pause of the process, a long commit."""


class Shop:
    """A region with a released model, known items and people whom the model knows."""

    def __init__(self, kafka: RunningKafka, triton: RunningTriton, release: Path) -> None:
        self.bootstrap, self.triton, self._release = kafka.bootstrap, triton, release
        self.crowd = Crowd(kafka.bootstrap)
        self.answers = Log(kafka.bootstrap, RECOMMENDATIONS.name)

    def load_model(self) -> None:
        releases.load(self.triton.grpc_url, [self._release.name])
        releases.check_golden(self.triton.grpc_url, self._release, self._release.name)

    def all_answered(self) -> list[Recommendation]:
        """Once the newest ask of each user has its answer: all answers."""
        found: list[Recommendation] = []

        def answered() -> bool:
            found[:] = recommendations(self.answers)
            return set(self.crowd.newest.values()) <= {r.cause.event_id for r in found}

        until("the newest ask of each user is answered", answered)
        return found


def free_port() -> int:
    return ports.free_port(frozenset())


def requests_to_triton(metrics_port: int) -> dict[str, float]:
    """How many were sent of at most so many users each, as a worker counts them."""
    url = f"http://127.0.0.1:{metrics_port}/metrics"
    with urllib.request.urlopen(url, timeout=10) as answer:
        families = text_string_to_metric_families(answer.read().decode())
    return {
        sample.labels["le"]: sample.value
        for family in families
        for sample in family.samples
        if sample.name == "tidemill_scored_users_bucket"
    }


@pytest.fixture
def shop(fresh_kafka: RunningKafka, triton: RunningTriton, tmp_path: Path) -> Iterator[Shop]:
    release = releases.write(fitted_for_triton(), tmp_path / "releases", {})
    releases.install(release, triton.repository)
    own(fresh_kafka.bootstrap)
    for number in range(ITEMS):
        produce_values(
            fresh_kafka.bootstrap, ITEM_UPDATES.name, item(f"i{number}"), key=f"i{number}"
        )
    found = Shop(fresh_kafka, triton, release)
    record = ModelRelease(
        model=MODEL,
        revision=1,
        region="east",
        url=f"file://{release.parent}/{{version}}",
        hash=releases.manifest_hash_of(release),
        served={"east": Served(version=release.name)},
    )
    control.write(Settings(kafka=fresh_kafka.bootstrap), MODEL_RELEASES, MODEL, record)
    found.load_model()
    yield found
    found.answers.close()
    with closing(grpc.InferenceServerClient(triton.grpc_url)) as client:
        client.unload_model(MODEL)
    shutil.rmtree(triton.repository / MODEL, ignore_errors=True)


@pytest.fixture
def start_recommend(shop: Shop, start_worker: Callable[..., Worker]) -> Callable[..., Worker]:
    def start(**settings: object) -> Worker:
        return start_worker(
            triton=shop.triton.grpc_url,
            score_deadline_ms=DEADLINE_MS,
            **settings,
        )

    return start


def test_what_was_asked_while_the_workers_stood_still_is_scored(
    shop: Shop, start_recommend: Callable[..., Worker]
) -> None:
    # One loses its session meanwhile, and its partitions with it; the other one keeps both.
    first, second = free_port(), free_port()
    workers = [
        start_recommend(metrics_port=first),
        start_recommend(metrics_port=second, session_timeout_ms=60_000),
    ]
    for worker in workers:
        until("both have partitions", lambda log=worker.log: "is open" in log.read_text())
    shop.crowd.click()
    before = len(shop.all_answered())
    asked = shop.crowd.asked
    with shop.crowd.asking():
        until("some are answered", lambda: len(shop.answers.read()) > before + RATE)
        stopped_ms = time.time() * 1000
        for worker in workers:
            worker.signal(signal.SIGSTOP)
        time.sleep(AWAY_S)  # how long they are away is what is tested
        for worker in workers:
            worker.signal(signal.SIGCONT)
        back_ms = time.time() * 1000
        until(
            "an ask from behind it is answered",
            lambda: any(r.cause.appended_at_ms > back_ms for r in recommendations(shop.answers)),
        )
        log = workers[0].log
        until(
            "who lost its partitions has some again",
            lambda: "is open" in log.read_text().partition("(lost)")[2],
        )
    answers = shop.all_answered()
    # A Triton that was loaded just now may have cost some of the first their deadline.
    judged = [r for r in answers if r.cause.appended_at_ms > stopped_ms - DEADLINE_MS]
    assert {r.fallback for r in judged} == {None}
    late = [r for r in judged if stopped_ms + 1000 < r.cause.appended_at_ms < back_ms - 1000]
    assert len(late) >= len(USERS) / 2
    # Each user asked several times while nobody read it.
    assert len(late) < (shop.crowd.asked - asked) / 2
    sizes = [requests_to_triton(port) for port in (first, second)]
    assert any(size["+Inf"] > size["16.0"] for size in sizes), "late asks share requests"


def test_while_triton_is_away_the_fallback_answers_in_time_and_not_once_more_behind_it(
    shop: Shop, start_recommend: Callable[..., Worker]
) -> None:
    start_recommend()
    shop.crowd.click()
    before = len(shop.all_answered())
    with shop.crowd.asking():
        until("some are answered", lambda: len(shop.answers.read()) > before + RATE)
        ends_s = time.monotonic() + AWAY_S
        away_ms = time.time() * 1000
        # Silent at first, then gone: the two ways to be away cost differently.
        shop.triton.pause()
        time.sleep(AWAY_S / 3)
        shop.triton.kill()
        time.sleep(max(0.0, ends_s - time.monotonic()))
        gone_ms = time.time() * 1000
        shop.triton.start()
        shop.load_model()
        until(
            "the model answers again",
            lambda: any(
                r.fallback is None and r.cause.appended_at_ms > gone_ms
                for r in recommendations(shop.answers)
            ),
        )
        asked = shop.crowd.asked
        until("people go on asking", lambda: shop.crowd.asked > asked + 3 * RATE)
    answers = shop.all_answered()
    fallbacks = [r for r in answers if r.fallback and r.cause.appended_at_ms > away_ms - 1000]
    assert len(fallbacks) > RATE * AWAY_S / 3
    waited_ms = sorted(r.issued_at_ms - r.cause.appended_at_ms for r in fallbacks)
    assert waited_ms[-1] < DEADLINE_MS + ALLOWANCE_MS
    back_ms = min(
        r.issued_at_ms for r in answers if not r.fallback and r.cause.appended_at_ms > gone_ms
    )
    assert {r.fallback for r in answers if r.cause.appended_at_ms > back_ms} == {None}


def test_requests_of_different_partitions_are_under_way_at_once(
    shop: Shop, start_worker: Callable[..., Worker]
) -> None:
    both = threading.Barrier(2)

    async def wait_for_the_other(answer: Answer) -> Answer:
        await asyncio.to_thread(both.wait, DEADLINE_S)
        return answer

    kim = "kim"
    other = next(u for u in USERS if partition_of(u, PARTITIONS) != partition_of(kim, PARTITIONS))
    triton = MisbehavingTriton(wait_for_the_other)
    with triton.serving_in_a_thread() as endpoint:
        start_worker(triton=endpoint, score_deadline_ms=DEADLINE_S * 1000)
        for user in (kim, other):
            shop.crowd.ask(user, kind="click", item_id="i1")
            shop.crowd.flush()
        # Neither is answered before both were asked for.
        assert {r.fallback for r in shop.all_answered()} == {None}
    assert [request.inputs[0].shape[0] for request in triton.requests] == [1, 1]


async def _silent(answer: Answer) -> Answer:
    await asyncio.Event().wait()
    return answer


def test_late_asks_that_wait_for_triton_hold_nobody_up_and_outlive_their_worker(
    shop: Shop, start_worker: Callable[..., Worker]
) -> None:
    late, fresh = [u for u in USERS if partition_of(u, PARTITIONS) == 0][:2]
    triton = MisbehavingTriton(_silent)
    with triton.serving_in_a_thread() as endpoint:
        shop.crowd.ask(late, kind="click", item_id="i1")
        shop.crowd.flush()
        time.sleep(5)  # so it is late when it is read
        settings = {"triton": endpoint, "score_deadline_ms": 4000, "lag_bound_s": 600}
        worker = start_worker(**settings)
        until("the late ask is tried", lambda: len(triton.requests) > 0)
        shop.crowd.ask(fresh, kind="click", item_id="i2")
        shop.crowd.flush()
        answer = answered(shop.answers, shop.crowd.newest[fresh])
        assert answer.fallback in {"deadline", "unavailable"}
        assert [r.user_id for r in recommendations(shop.answers)] == [fresh]
        worker.kill()
        triton.misbehave = lambda answer: answer
        start_worker(**settings)
        assert answered(shop.answers, shop.crowd.newest[late]).fallback is None
    assert len(shop.answers.read()) == 2


def test_users_of_a_batch_share_requests(shop: Shop, start_worker: Callable[..., Worker]) -> None:
    neighbours = [u for u in USERS if partition_of(u, PARTITIONS) == 0]
    assert MAX_USERS < len(neighbours) < 2 * MAX_USERS
    for user in neighbours * 2:
        shop.crowd.ask(user, kind="click", item_id="i1")
    shop.crowd.flush()
    triton = MisbehavingTriton()
    with triton.serving_in_a_thread() as endpoint:
        start_worker(triton=endpoint)
        assert {r.fallback for r in shop.all_answered()} == {None}
    sizes = sorted(request.inputs[0].shape[0] for request in triton.requests)
    assert sizes == [len(neighbours) - MAX_USERS, MAX_USERS], "each once, though each asked twice"
