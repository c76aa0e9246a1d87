"""The scorer against servers that are slow, absent, or answer garbage."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import numpy as np
import pytest
from prometheus_client import REGISTRY

from schemas.serving import BECAUSE, ITEMS, MAX_USERS, SCORES, SOURCE_CODES, USER_VECTOR
from schemas.state import EMPTY
from streams.scoring.candidates import Candidate, Scored, Wanted
from streams.scoring.circuit import FAILURES_TO_OPEN
from streams.scoring.client import LATE_IN_FLIGHT, Scorer
from tests.streams.misbehaving_triton import FIRST_ITEM, Answer, MisbehavingTriton
from tests.streams.user_states import NOW_MS, state_of
from tests.streams.waiting import until

LONG_MS = 60_000
"""Longer than anything here takes, so it is never what ends a call."""
SHORT_MS = 100
NOBODY = "127.0.0.1:1"

ANN = Wanted(state_of([("click", 7, NOW_MS)]), 3, {FIRST_ITEM})
FAILED = [Scored([], "unavailable")]
LATE = [Scored([], "deadline")]


def with_server(
    server: MisbehavingTriton, test: Callable[[Scorer], Awaitable[None]], **options: int
) -> None:
    async def run() -> None:
        async with server.serving() as endpoint:
            scorer = Scorer([endpoint], **options)
            try:
                await test(scorer)
            finally:
                await scorer.close()

    asyncio.run(run())


def counted(outcome: str) -> float:
    """Of all endpoints."""
    return sum(
        sample.value
        for family in REGISTRY.collect()
        for sample in family.samples
        if sample.name == "tidemill_scoring_seconds_count" and sample.labels["outcome"] == outcome
    )


def test_candidates_come_back_in_the_order_of_the_users() -> None:
    users = [Wanted(EMPTY, 1 + n % 5, {FIRST_ITEM + n % 3}) for n in range(3 * MAX_USERS + 5)]
    server = MisbehavingTriton()

    async def test(scorer: Scorer) -> None:
        scored = await scorer.score(users, "4", LONG_MS)
        for user, (candidates, failure, _) in zip(users, scored, strict=True):
            assert failure is None
            assert len(candidates) == user.k
            assert not {candidate.item for candidate in candidates} & set(user.exclude)
        assert await scorer.score([], "4", LONG_MS) == []

    with_server(server, test)
    assert [request.inputs[0].shape[0] for request in server.requests].count(MAX_USERS) == 3
    assert {request.model_version for request in server.requests} == {"4"}


def test_sources_and_reasons_are_read() -> None:
    async def test(scorer: Scorer) -> None:
        (ann, new), _ = (await scorer.score([ANN, Wanted(EMPTY, 1)], "1", LONG_MS)), None
        assert ann.candidates[0] == Candidate(FIRST_ITEM + 1, 1.0, "transitions", 7)
        assert new.candidates == [Candidate(FIRST_ITEM, 1.0, "transitions", None)]

    with_server(MisbehavingTriton(), test)


def test_a_users_vector_comes_where_it_is_wanted() -> None:
    vectors = np.eye(2, 3, dtype=np.float32)
    server = MisbehavingTriton(lambda answer: answer | {USER_VECTOR: vectors})
    wanting = Wanted(EMPTY, 1, with_vector=True)

    async def test(scorer: Scorer) -> None:
        for ann, bob in (
            await scorer.score([wanting, wanting], "1", LONG_MS),
            await scorer.score([wanting, Wanted(EMPTY, 1)], "1", LONG_MS),
        ):
            assert ann.vector is not None
            assert bob.vector is not None
            np.testing.assert_array_equal([ann.vector, bob.vector], vectors)
        assert (await scorer.score([Wanted(EMPTY, 1)], "1", LONG_MS))[0].vector is None

    with_server(server, test)
    wanted = [{output.name for output in request.outputs} for request in server.requests]
    assert [USER_VECTOR in outputs for outputs in wanted] == [True, True, False]


@pytest.mark.parametrize(
    "vectors",
    [
        None,
        np.zeros((2, 3), np.float32),
        np.zeros((1, 3), np.float64),
        np.full((1, 3), np.nan, np.float32),
        np.zeros(1, np.float32),
    ],
)
def test_a_vector_that_cannot_be_one_is_garbage(vectors: np.ndarray | None) -> None:
    def misbehave(answer: Answer) -> Answer:
        return answer if vectors is None else answer | {USER_VECTOR: vectors}

    async def test(scorer: Scorer) -> None:
        scored = await scorer.score([Wanted(EMPTY, 1, with_vector=True)], "1", LONG_MS)
        assert scored == FAILED

    with_server(MisbehavingTriton(misbehave), test)


def test_requests_of_one_call_overlap_within_the_bound() -> None:
    both = asyncio.Barrier(2)
    now, most = 0, 0

    async def wait_for_another(answer: Answer) -> Answer:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await both.wait()
        now -= 1
        return answer

    async def test(scorer: Scorer) -> None:
        scored = await scorer.score([Wanted(EMPTY, 1)] * (6 * MAX_USERS), "1", LONG_MS)
        assert all(failure is None for _, failure, _ in scored)

    with_server(MisbehavingTriton(wait_for_another), test, in_flight=2)
    assert most == 2


def _set(name: str, value: object) -> Callable[[Answer], Answer]:
    """Puts `value` into the first place of a tensor."""

    def misbehave(answer: Answer) -> Answer:
        tensor = answer[name].copy()
        tensor[0, 0] = value
        return answer | {name: tensor}

    return misbehave


GARBAGE: dict[str, Callable[[Answer], Answer]] = {
    "missing tensor": lambda a: {k: v for k, v in a.items() if k != SCORES},
    "fewer rows": lambda a: {k: v[:0] for k, v in a.items()},
    "fewer columns": lambda a: {k: v[:, :1] for k, v in a.items()},
    "more columns": lambda a: {k: np.hstack([v, v]) for k, v in a.items()},
    "one dimension": lambda a: a | {ITEMS: a[ITEMS].ravel()},
    "signed items": lambda a: a | {ITEMS: a[ITEMS].astype(np.int64)},
    "wide scores": lambda a: a | {SCORES: a[SCORES].astype(np.float64)},
    "not a number": _set(SCORES, np.nan),
    "infinite score": _set(SCORES, np.inf),
    "excluded item": _set(ITEMS, FIRST_ITEM),
    "item twice": lambda a: a | {ITEMS: np.full_like(a[ITEMS], 77)},
    "unknown source": _set(SOURCE_CODES, 200),
    "item without a source": _set(SOURCE_CODES, 0),
    "reason that is not in the history": _set(BECAUSE, 8),
}


@pytest.mark.parametrize("misbehave", GARBAGE.values(), ids=GARBAGE.keys())
def test_garbage_is_refused_and_counted(misbehave: Callable[[Answer], Answer]) -> None:
    before = counted("garbage")

    async def test(scorer: Scorer) -> None:
        assert await scorer.score([ANN], "1", LONG_MS) == FAILED

    with_server(MisbehavingTriton(misbehave), test)
    assert counted("garbage") == before + 1


def test_another_version_than_the_pinned_one_is_refused() -> None:
    server = MisbehavingTriton()
    server.version = "2"

    async def test(scorer: Scorer) -> None:
        assert await scorer.score([ANN], "1", LONG_MS) == FAILED

    with_server(server, test)


def test_an_absent_score_may_be_anything() -> None:
    def short(answer: Answer) -> Answer:
        answer[ITEMS][0, 1:] = 0
        answer[SCORES][0, 1:] = np.nan
        answer[SOURCE_CODES][0, 1:] = 0
        return answer

    async def test(scorer: Scorer) -> None:
        (ann,) = await scorer.score([ANN], "1", LONG_MS)
        assert [candidate.item for candidate in ann.candidates] == [FIRST_ITEM + 1]

    with_server(MisbehavingTriton(short), test)


def test_garbage_for_some_users_leaves_the_other_requests_alone() -> None:
    def spoil_full_requests(answer: Answer) -> Answer:
        return {} if len(answer[ITEMS]) == MAX_USERS else answer

    async def test(scorer: Scorer) -> None:
        scored = await scorer.score([Wanted(EMPTY, 1)] * (MAX_USERS + 1), "1", LONG_MS)
        assert [s.failure for s in scored] == ["unavailable"] * MAX_USERS + [None]

    with_server(MisbehavingTriton(spoil_full_requests), test)


async def _never(answer: Answer) -> Answer:
    await asyncio.Event().wait()
    return answer


def test_a_slow_server_costs_the_deadline_and_then_nothing() -> None:
    before = counted("deadline")
    server = MisbehavingTriton(_never)

    async def test(scorer: Scorer) -> None:
        for _ in range(FAILURES_TO_OPEN):
            assert await scorer.score([ANN], "1", SHORT_MS) == LATE
        found = [await scorer.score([ANN], "1", SHORT_MS) for _ in range(50)]
        assert found.count(FAILED) >= 40  # the rest are probes
        assert len(server.requests) < 50
        server.misbehave = lambda answer: answer
        # Who may wait longer is not held to what the hurried ones found.
        (ann,) = await scorer.score([ANN], "1", LONG_MS)
        assert ann.failure is None
        (ann,) = await scorer.score([ANN], "1", LONG_MS)
        assert ann.failure is None

    with_server(server, test)
    assert counted("deadline") > before


def test_users_behind_a_full_queue_run_out_of_time_too() -> None:
    async def test(scorer: Scorer) -> None:
        scored = await scorer.score([ANN] * (3 * MAX_USERS), "1", SHORT_MS)
        assert scored == LATE * (3 * MAX_USERS)

    with_server(MisbehavingTriton(_never), test, in_flight=1)


@pytest.mark.parametrize("deadline_ms", [0, -5])
def test_no_time_left_is_a_deadline_and_no_request(deadline_ms: float) -> None:
    server = MisbehavingTriton()

    async def test(scorer: Scorer) -> None:
        assert await scorer.score([ANN], "1", deadline_ms) == LATE

    with_server(server, test)
    assert server.requests == []


def test_an_absent_server_is_used_again_once_it_is_back() -> None:
    server = MisbehavingTriton()

    async def run() -> None:
        async with server.serving() as endpoint:
            scorer = Scorer([endpoint])
            (ann,) = await scorer.score([ANN], "1", LONG_MS)
            assert ann.failure is None
        for _ in range(3 * FAILURES_TO_OPEN):
            assert await scorer.score([ANN], "1", LONG_MS) == FAILED
        async with server.serving():
            while (await scorer.score([ANN], "1", LONG_MS))[0].failure:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        await scorer.close()

    asyncio.run(run())


def test_a_dead_endpoint_passes_its_users_on() -> None:
    async def run() -> None:
        server = MisbehavingTriton()
        async with server.serving() as endpoint:
            scorer = Scorer([NOBODY, endpoint])
            for _ in range(10):
                (ann,) = await scorer.score([ANN], "1", LONG_MS)
                assert ann.failure is None
            await scorer.close()

    asyncio.run(run())


def test_endpoints_take_turns() -> None:
    async def run() -> None:
        one, other = MisbehavingTriton(), MisbehavingTriton()
        async with one.serving() as first, other.serving() as second:
            scorer = Scorer([first, second])
            await scorer.score([Wanted(EMPTY, 1)] * (10 * MAX_USERS), "1", LONG_MS)
            await scorer.close()
        assert len(one.requests) == len(other.requests) == 5

    asyncio.run(run())


def test_late_users_are_scored_in_full_requests_and_few_at_once() -> None:
    both = asyncio.Barrier(LATE_IN_FLIGHT)
    now, most = 0, 0

    async def wait_for_another(answer: Answer) -> Answer:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await both.wait()
        now -= 1
        return answer

    server = MisbehavingTriton(wait_for_another)

    async def test(scorer: Scorer) -> None:
        users = [Wanted(EMPTY, 1)] * (4 * LATE_IN_FLIGHT * MAX_USERS)
        calls = (scorer.score_late(users, "1", LONG_MS, LONG_MS) for _ in range(2))
        for scored in await asyncio.gather(*calls):
            assert all(failure is None for _, failure, _ in scored)

    with_server(server, test)
    assert most == LATE_IN_FLIGHT
    assert {request.inputs[0].shape[0] for request in server.requests} == {MAX_USERS}


def test_who_waits_passes_the_late_ones() -> None:
    async def test(scorer: Scorer) -> None:
        late = asyncio.create_task(
            scorer.score_late([ANN] * (20 * MAX_USERS), "1", LONG_MS, LONG_MS)
        )
        await until(lambda: len(server.requests) == LATE_IN_FLIGHT)
        server.misbehave = lambda answer: answer
        (ann,) = await scorer.score([ANN], "1", LONG_MS)
        assert ann.failure is None
        assert not late.done()
        late.cancel()
        await asyncio.wait([late])

    server = MisbehavingTriton(_never)
    with_server(server, test)


def test_more_late_users_than_there_is_time_for_blame_nobody() -> None:
    async def slow(answer: Answer) -> Answer:
        await asyncio.sleep(SHORT_MS / 1000)  # longer than all requests together may wait
        return answer

    async def test(scorer: Scorer) -> None:
        await scorer.score([ANN], "1", LONG_MS)  # connected
        users = [ANN] * (20 * MAX_USERS)
        scored = await scorer.score_late(users, "1", SHORT_MS, LONG_MS)
        failures = [failure for _, failure, _ in scored]
        begun = failures.count(None)
        assert 0 < begun < len(users)
        assert failures == [None] * begun + ["deadline"] * (len(users) - begun), "in their order"
        assert scorer.expects(SHORT_MS)

    with_server(MisbehavingTriton(slow), test)


def test_a_worker_that_was_stopped_does_not_blame_triton() -> None:
    async def test(scorer: Scorer) -> None:
        await scorer.score([ANN], "1", LONG_MS)
        server.misbehave = _never
        calls = [asyncio.create_task(scorer.score([ANN], "1", SHORT_MS)) for _ in range(5)]
        await until(lambda: len(server.requests) == 6)
        time.sleep(3 * SHORT_MS / 1000)  # noqa: ASYNC251 - as a stopped process does
        assert await asyncio.gather(*calls) == [LATE] * 5
        assert scorer.expects(SHORT_MS)
        assert not scorer.is_away

    server = MisbehavingTriton()
    with_server(server, test)


def test_an_absent_server_is_away_between_two_probes() -> None:
    async def run() -> None:
        scorer = Scorer([NOBODY])
        assert not scorer.is_away
        assert scorer.expects(1)
        for _ in range(FAILURES_TO_OPEN):
            assert await scorer.score_late([ANN], "1", LONG_MS, LONG_MS) == FAILED
        assert scorer.is_away
        assert not scorer.expects(LONG_MS)
        await until(lambda: not scorer.is_away)
        await scorer.close()

    asyncio.run(run())


def test_a_scorer_needs_an_endpoint() -> None:
    with pytest.raises(ValueError, match="TIDEMILL_TRITON"):
        Scorer([])
