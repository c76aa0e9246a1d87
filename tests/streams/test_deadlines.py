"""How long asks wait for scores, with the real scorer and a Triton that is slow, silent or away."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from itertools import count

from schemas.events import Click
from schemas.serving import MAX_USERS
from streams.scoring.candidates import Scored, Wanted
from streams.scoring.client import Scorer
from streams.settings import Settings
from streams.stages.asks import Ask
from streams.stages.deadlines import Deadlines
from streams.stages.late import Late, Planned
from tests.streams.misbehaving_triton import Answer, MisbehavingTriton
from tests.streams.user_states import NOW_MS, state_of
from tests.streams.waiting import until

DEADLINE_MS = 600
LONG_MS = 60_000
"""A deadline that nothing here takes."""
STATE = state_of([("click", 7, NOW_MS)])
_offsets = count()


def asked(age_ms: float, version: str | None = "1") -> Planned:
    appended_at_ms = int(time.time() * 1000 - age_ms)
    event = Click(event_id="e", user_id="kim", item_id="i", at_ms=appended_at_ms)
    ask = Ask(event, "east", appended_at_ms, "user-events", next(_offsets))
    return Planned(ask, Wanted(STATE, 3), 3, version, is_cold=False)


def with_triton(
    server: MisbehavingTriton,
    test: Callable[[Deadlines, Scorer], Awaitable[None]],
    deadline_ms: int = DEADLINE_MS,
    late_deadline_ms: int = LONG_MS,
) -> None:
    settings = Settings(score_deadline_ms=deadline_ms, late_deadline_ms=late_deadline_ms)

    async def run() -> None:
        async with server.serving() as endpoint:
            scorer = Scorer([endpoint])
            (warm,) = await scorer.score([Wanted(STATE, 1)], "1", 60_000)
            assert warm.failure is None
            try:
                await test(Deadlines(settings, scorer), scorer)
            finally:
                await scorer.close()

    asyncio.run(run())


def failures(scored: list[Scored | None]) -> list[str | None]:
    return [result.failure if result else "stays due" for result in scored]


async def _silent(answer: Answer) -> Answer:
    await asyncio.Event().wait()
    return answer


def test_asks_of_any_age_are_scored_in_full_requests_each_in_its_place() -> None:
    server = MisbehavingTriton()

    async def test(deadlines: Deadlines, _: Scorer) -> None:
        del server.requests[:]
        ages_ms = [0, 2 * LONG_MS, LONG_MS * 3 // 4] * MAX_USERS
        planned = [asked(age_ms) for age_ms in ages_ms]
        # Each asks for a number of its own, so that answers cannot change places unseen.
        planned = [
            Planned(p.ask, Wanted(STATE, 1 + n % 50), 1, "2" if n % 2 else "1", is_cold=False)
            for n, p in enumerate(planned)
        ]
        scored = await deadlines.score(planned, Late(60))
        assert [len(s.candidates) if s else None for s in scored] == [
            1 + n % 50 for n in range(len(planned))
        ]

    with_triton(server, test, LONG_MS)
    assert sorted(request.inputs[0].shape[0] for request in server.requests) == [16] * 6


def test_a_silent_triton_costs_the_deadline_and_late_asks_stay_due() -> None:
    server = MisbehavingTriton()

    async def test(deadlines: Deadlines, scorer: Scorer) -> None:
        server.misbehave = _silent
        late = Late(60)
        for _ in range(5):
            began_s = time.monotonic()
            planned = [asked(0), asked(60_000), asked(0)]
            fallback, due, other = failures(await deadlines.score(planned, late))
            assert {fallback, other} <= {"deadline", "unavailable"}
            assert due == "stays due"
            # Twice the deadline is for a machine that is slow.
            assert (time.monotonic() - began_s) * 1000 < 3 * DEADLINE_MS
        server.misbehave = lambda answer: answer
        overdue = asked(60_000)
        while failures(await deadlines.score([overdue], late)) != [None]:
            await until(lambda: not (scorer.is_away or late.is_waiting))

    with_triton(server, test, late_deadline_ms=8 * DEADLINE_MS)


def test_an_ask_in_the_second_half_of_its_deadline_has_half_of_it_while_triton_answers() -> None:
    server = MisbehavingTriton()

    async def slow(answer: Answer) -> Answer:
        await asyncio.sleep(DEADLINE_MS / 4 / 1000)
        return answer

    async def test(deadlines: Deadlines, scorer: Scorer) -> None:
        server.misbehave = slow
        assert failures(await deadlines.score([asked(0.9 * DEADLINE_MS)], Late(60))) == [None]
        server.misbehave = _silent
        assert failures(await deadlines.score([asked(0)], Late(60))) == ["deadline"]
        assert not scorer.expects(DEADLINE_MS)
        began_s = time.monotonic()
        assert failures(await deadlines.score([asked(0.9 * DEADLINE_MS)], Late(60))) == ["deadline"]
        assert (time.monotonic() - began_s) * 1000 < DEADLINE_MS / 2

    with_triton(server, test)


async def _slow(answer: Answer) -> Answer:
    await asyncio.sleep(1.2 * DEADLINE_MS / 1000)
    return answer


def test_a_slow_triton_scores_late_asks_beside_the_batches() -> None:
    server = MisbehavingTriton()

    async def test(deadlines: Deadlines, _: Scorer) -> None:
        server.misbehave = _slow
        assert failures(await deadlines.score([asked(0)], Late(60))) == ["deadline"]
        late, overdue = Late(60), [asked(60_000) for _ in range(2 * MAX_USERS)]
        began_s = time.monotonic()
        assert failures(await deadlines.score(overdue, late)) == ["stays due"] * len(overdue)
        assert (time.monotonic() - began_s) * 1000 < DEADLINE_MS
        await until(lambda: not late.is_waiting)
        others = [asked(60_000) for _ in range(5)]
        assert failures(await deadlines.score([*others, *overdue], late)) == [
            *["stays due"] * len(others),
            *[None] * len(overdue),
        ]

    with_triton(server, test)


def test_a_user_who_changed_while_he_was_scored_is_scored_again() -> None:
    server = MisbehavingTriton()

    async def test(deadlines: Deadlines, _: Scorer) -> None:
        server.misbehave = _slow
        late, same, before = Late(60), asked(60_000), asked(60_000)
        changed = Wanted(state_of([("click", 7, NOW_MS), ("hide", 8, NOW_MS)]), 3, {8})
        after = Planned(before.ask, changed, 3, before.version, is_cold=False)
        await deadlines.score([same, before], late)
        await until(lambda: not late.is_waiting)
        assert failures(await deadlines.score([same, after], late)) == [None, "stays due"]
        server.misbehave = lambda answer: answer
        while failures(await deadlines.score([after], late)) != [None]:
            await until(lambda: not late.is_waiting)

    with_triton(server, test)


def test_of_more_late_asks_than_triton_can_score_the_oldest_are_first() -> None:
    server = MisbehavingTriton()

    async def slow(answer: Answer) -> Answer:
        await asyncio.sleep(DEADLINE_MS / 4 / 1000)
        return answer

    async def test(deadlines: Deadlines, _: Scorer) -> None:
        server.misbehave = slow
        late = Late(60)
        overdue = [asked(age_ms) for age_ms in range(30_000, 30_000 + 40 * MAX_USERS)]
        await deadlines.score(overdue, late)
        await until(lambda: not late.is_waiting)
        scored = await deadlines.score(overdue, late)
        due = scored.count(None)
        assert 0 < due < len(overdue)
        assert set(failures(scored[:due])) == {"stays due"}
        assert set(failures(scored[due:])) == {None}

    with_triton(server, test)


def test_the_fallback_answers_late_asks_once_patience_is_over() -> None:
    server = MisbehavingTriton()

    async def test(deadlines: Deadlines, _: Scorer) -> None:
        late = Late(100)
        del server.requests[:]
        assert failures(await deadlines.score([asked(500_000)], late)) == [None]
        assert failures(await deadlines.score([asked(700_000)], late)) == ["deadline"]
        assert len(server.requests) == 1, "it is not asked for what has to be given up"
        assert failures(await deadlines.score([asked(500_000), asked(0)], late)) == [
            "deadline",
            None,
        ]
        assert failures(await deadlines.score([asked(0)], late)) == [None]
        assert failures(await deadlines.score([asked(700_000)], late)) == [None], "caught up"

    with_triton(server, test, LONG_MS)


def test_what_was_in_time_before_the_worker_was_stopped_is_late_behind_it() -> None:
    server = MisbehavingTriton()

    async def test(deadlines: Deadlines, scorer: Scorer) -> None:
        server.misbehave = _silent
        before = len(server.requests)
        scoring = asyncio.create_task(deadlines.score([asked(0)], Late(60)))
        await until(lambda: len(server.requests) > before)
        time.sleep(2 * DEADLINE_MS / 1000)  # noqa: ASYNC251 - as a stopped process does
        assert failures(await scoring) == ["stays due"]
        assert scorer.expects(DEADLINE_MS)

    with_triton(server, test)


def test_whom_no_version_serves_the_fallback_answers_however_late() -> None:
    server = MisbehavingTriton()

    async def test(deadlines: Deadlines, _: Scorer) -> None:
        del server.requests[:]
        planned = [asked(0, None), asked(60_000, None)]
        assert failures(await deadlines.score(planned, Late(60))) == ["unavailable"] * 2
        assert not server.requests

    with_triton(server, test)
