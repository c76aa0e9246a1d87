"""What a batch of the stage holds at once, whatever waits behind it."""

import asyncio
import threading
from collections.abc import Callable

import msgspec
import pytest

from schemas.control import Ownership
from schemas.topics import USER_EVENTS
from streams import memory
from streams.lane.contract import Batch, Outcome, Run, Slot
from streams.settings import Settings
from streams.stages.recommend import Recommend
from streams.state.store import Store
from streams.topology import RECOMMEND
from tests.streams.control_copies import copy_of
from tests.streams.records import FakeRecord

TOPIC = USER_EVENTS.name
NOW_MS = 1_700_000_000_000
A_RUN, RUNS = 4, 100
OWNED = Ownership(origin="east", epoch=16, owner="east", command_id="test")


def crowd(number: int) -> Run:
    """Asks of people who come once."""
    numbers = range(number * A_RUN, (number + 1) * A_RUN)
    return Run(TOPIC, [FakeRecord(_ask(f"user-{n}"), offset=n) for n in numbers])


def _ask(user: str) -> bytes:
    return msgspec.json.encode(
        {"event_id": f"of-{user}", "user_id": user, "kind": "request", "at_ms": NOW_MS}
    )


def processed(open_store: Callable[..., Store], pending_asks: int) -> tuple[Batch, Outcome]:
    """The first batch of a backlog of a hundred runs, behind which another one is committed."""
    left = iter(range(1, RUNS))

    async def next_run(_: int) -> Run | None:
        number = next(left, None)
        return None if number is None else crowd(number)

    def failed(error: BaseException) -> None:
        raise error

    async def play() -> tuple[Batch, Outcome]:
        stage = Recommend(
            RECOMMEND, Settings(region="east", partitions=1, pending_asks=pending_asks), failed
        )
        stage._known.ownerships.apply(copy_of(OWNED, key="east"))
        slot = Slot(TOPIC, 0)
        stage.open(slot, open_store("0"))
        stage._partitions[slot].epochs = {"east": 16}  # as if the logs had been read
        batches = [
            Batch(slot, [crowd(number)], {TOPIC: 0}, {TOPIC: A_RUN}, next_run)
            for number in (0, RUNS)
        ]
        outcomes = []
        for batch in batches:
            outcomes.append(await stage.process(batch))
            stage.committed(batch, outcomes[-1])
        stage._reading.shutdown()
        return batches[0], outcomes[0]

    return asyncio.run(play())


@pytest.fixture
def given_back(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The threads that gave memory back."""
    threads: list[str] = []
    monkeypatch.setattr(
        memory, "give_back", lambda: threads.append(threading.current_thread().name)
    )
    return threads


def test_so_many_asks_end_a_batch(open_store: Callable[..., Store]) -> None:
    batch, outcome = processed(open_store, pending_asks=10)
    assert len(outcome.produce) == 12
    assert batch.behind == {TOPIC: 12}


def test_fewer_do_not(open_store: Callable[..., Store]) -> None:
    batch, outcome = processed(open_store, pending_asks=100_000)
    assert len(outcome.produce) == A_RUN * RUNS
    assert batch.behind == {TOPIC: A_RUN * RUNS}


@pytest.mark.parametrize(("many", "threads"), [(11, ["due_0", "due_0"]), (12, [])])
def test_behind_many_answers_memory_is_given_back(
    open_store: Callable[..., Store],
    given_back: list[str],
    monkeypatch: pytest.MonkeyPatch,
    many: int,
    threads: list[str],
) -> None:
    monkeypatch.setattr(memory, "_SOON_S", -1.0)
    monkeypatch.setattr(memory, "_MANY_ANSWERS", many)
    processed(open_store, pending_asks=10)
    assert given_back == threads, "not in the loop's thread, and not behind each batch"


def test_memory_is_given_back_soon_behind_many_answers_and_now_and_then_behind_few() -> None:
    returns, crowded = memory.Returns(0.0), {10, 11, 12, 14}
    answers = [5_000 if second in crowded else 1 for second in range(140)]
    given_s = [second for second, many in enumerate(answers) if returns.is_due(many, second)]
    assert given_s == [10, 14, 75, 136]
