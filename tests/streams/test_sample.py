"""What a standby scores of the asks that it does not answer: whose, how many, and how long kept."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from itertools import count

import pytest

from schemas.codec import encode
from schemas.control import SampledSlate, ScoredItem
from schemas.events import Click
from schemas.recommendations import MadeFrom
from schemas.serving import MAX_USERS
from schemas.state import EMPTY
from streams.scoring.candidates import Wanted
from streams.settings import Settings
from streams.stages import sample as stage
from streams.stages.asks import Ask, Place
from streams.stages.late import Planned
from streams.stages.sample import Sample
from tests.streams.waiting import until

SETTINGS = Settings(peers=("west",), sample_share=0.1)
_offsets = count()


def asks(number: int) -> dict[Place, Ask]:
    """Of so many people, the later the newer."""
    found = [
        Ask(
            Click(event_id=f"e{n}", user_id=f"user-{n}", item_id="i", at_ms=n),
            "west",
            n,
            "west.user-events",
            next(_offsets),
        )
        for n in range(number)
    ]
    return {ask.place: ask for ask in found}


def plan(ask: Ask) -> Planned:
    return Planned(ask, Wanted(EMPTY, 3), 3, "1", is_cold=False)


def slate(event_id: str, items: int = 10) -> SampledSlate:
    return SampledSlate(
        recommendation_id=event_id,
        made_from=MadeFrom(state="a", catalogue="b", vectors="c", fold="d"),
        model=None,
        arms=[],
        fallback=None,
        items=[ScoredItem(item_id=f"item-{n}", score=0.5) for n in range(items)],
    )


class Scoring:
    """Answers when it is told to."""

    def __init__(self, items: int = 10) -> None:
        self.calls: list[list[str]] = []
        self.go = asyncio.Event()
        self._items = items

    async def __call__(self, planned: Sequence[Planned]) -> list[SampledSlate]:
        self.calls.append([one.ask.event.event_id for one in planned])
        await self.go.wait()
        return [slate(event_id, self._items) for event_id in self.calls[-1]]


def run(test: Callable[[Sample, Scoring], Awaitable[None]], items: int = 10) -> None:
    async def with_sample() -> None:
        sample = Sample(SETTINGS)
        try:
            await test(sample, Scoring(items))
        finally:
            sample.close()

    asyncio.run(with_sample())


def ids(slates: Sequence[SampledSlate]) -> list[str]:
    return [one.recommendation_id for one in slates]


def test_slates_wait_for_whoever_takes_them_once() -> None:
    async def test(sample: Sample, scoring: Scoring) -> None:
        sample.begin(asks(2), plan, scoring)
        assert sample.take() == []
        scoring.go.set()
        taken: list[SampledSlate] = []
        await until(lambda: bool(taken.extend(sample.take()) or taken))
        assert sorted(ids(taken)) == ["e0", "e1"]
        assert sample.take() == []

    run(test)


def test_one_request_of_the_newest_asks_is_under_way_at_a_time() -> None:
    async def test(sample: Sample, scoring: Scoring) -> None:
        sample.begin(asks(100), plan, scoring)
        await until(lambda: len(scoring.calls) == 1)
        sample.begin(asks(3), plan, scoring)
        scoring.go.set()
        await until(lambda: len(sample.take()) == MAX_USERS)
        assert len(scoring.calls) == 1
        assert set(scoring.calls[0]) == {f"e{n}" for n in range(100 - MAX_USERS, 100)}
        sample.begin(asks(3), plan, scoring)
        await until(lambda: len(scoring.calls) == 2)

    run(test)


def test_what_nobody_takes_is_bounded_and_the_oldest_goes() -> None:
    async def test(sample: Sample, scoring: Scoring) -> None:
        scoring.go.set()
        for number in range(20):
            sample.begin(asks(MAX_USERS), plan, scoring)
            await until(lambda number=number: len(scoring.calls) == number + 1)
            await until(lambda: sample._call is not None and sample._call.done())
        sample.begin(asks(1), plan, scoring)
        await until(lambda: sample._call is not None and sample._call.done())
        kept = sample.take()
        assert 0 < len(kept) < 21 * MAX_USERS
        assert sum(len(encode(one)) for one in kept) <= stage._KEPT_BYTES
        assert ids(kept)[-1] == "e0"
        assert sample.take() == []

    run(test, items=100)


def test_a_partition_that_is_given_up_ends_its_call() -> None:
    async def test(sample: Sample, scoring: Scoring) -> None:
        sample.begin(asks(1), plan, scoring)
        await until(lambda: len(scoring.calls) == 1)
        sample.close()
        await until(lambda: sample._call is not None and sample._call.cancelled())
        assert sample.take() == []

    run(test)


def test_a_cold_scorer_takes_whoever_comes_first() -> None:
    outside = next(f"user-{n}" for n in count() if not Sample(SETTINGS).takes(f"user-{n}", "x"))
    inside = next(f"user-{n}" for n in count() if Sample(SETTINGS).takes(f"user-{n}", "x"))

    async def test(sample: Sample, scoring: Scoring) -> None:
        assert sample.takes(inside, "somebody was taken")
        assert not sample.takes(outside, "somebody was taken")
        assert sample.takes(outside, "")
        sample.begin(asks(1), plan, scoring)
        assert not sample.takes(outside, ""), "it was asked a moment ago"
        assert sample.takes(inside, "")

    run(test)


@pytest.mark.parametrize("settings", [{"sample_share": 0.0}, {"peers": ()}])
def test_nothing_is_scored_where_nobody_would_compare_it(settings: dict[str, object]) -> None:
    sample = Sample(SETTINGS.model_copy(update=settings))
    assert not any(sample.takes(f"user-{n}", "") for n in range(1_000))
