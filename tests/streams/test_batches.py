"""A batch grows while its stage takes it, in order, within its bounds, and ends when it should."""

import asyncio
from collections.abc import Sequence

from streams.lane.contract import Batch, Slot
from streams.lane.figures import Figures
from streams.lane.held import Held
from tests.streams.records import FakeRecord
from tests.streams.waiting import until

TOPIC = "user-events"
SLOT = Slot(TOPIC, 0)
LONG_S = 60.0


def records(*offsets: int) -> Sequence[FakeRecord]:
    return [FakeRecord(b"", offset=offset) for offset in offsets]


def held() -> Held:
    made = Held(SLOT, Figures("test", SLOT))
    made.is_open = True
    return made


def batch(of: Held, at_most: int, wait_s: float) -> Batch:
    """As the lane makes it of what waits."""
    runs = of.take(at_most)
    behind = {run.topic: run.records[-1].offset() + 1 for run in runs}
    return Batch(SLOT, runs, {TOPIC: 0}, behind, lambda size: of.more(at_most - size, wait_s))


async def offsets(taken: Batch) -> list[int]:
    return [record.offset() async for run in taken.growing() for record in run.records]


def test_what_came_since_joins_and_the_position_is_behind_it() -> None:
    async def play() -> None:
        slot = held()
        slot.deliver(TOPIC, records(0, 1))
        taken = batch(slot, 100, wait_s=0.0)
        slot.deliver(TOPIC, records(2))
        slot.deliver("user-state.joins", records(7))
        assert await offsets(taken) == [0, 1, 2, 7]
        assert taken.behind == {TOPIC: 3, "user-state.joins": 8}
        assert (taken.size, dict(taken.sizes)) == (4, {TOPIC: 3, "user-state.joins": 1})
        assert slot.is_idle
        assert slot.waiting == 0

    asyncio.run(play())


def test_nothing_joins_one_that_is_complete_and_all_that_it_had_is_taken() -> None:
    async def play() -> None:
        slot = held()
        slot.deliver(TOPIC, records(0))
        slot.deliver("user-state.joins", records(5))
        taken = batch(slot, 100, wait_s=LONG_S)
        slot.deliver(TOPIC, records(1))
        topics = []
        async for run in taken.growing():
            topics.append(run.topic)
            taken.complete()
        assert topics == [TOPIC, "user-state.joins"]
        assert taken.behind == {TOPIC: 1, "user-state.joins": 6}
        assert slot.waiting == 1

    asyncio.run(play())


def test_it_ends_at_its_bound_and_the_rest_waits_for_the_next() -> None:
    async def play() -> None:
        slot = held()
        slot.deliver(TOPIC, records(0, 1))
        taken = batch(slot, 3, wait_s=LONG_S)
        slot.deliver(TOPIC, records(2, 3))
        assert await offsets(taken) == [0, 1, 2]
        assert taken.behind == {TOPIC: 3}
        assert await offsets(batch(slot, 3, wait_s=0.0)) == [3]

    asyncio.run(play())


def test_it_waits_for_records_that_are_to_come() -> None:
    async def play() -> None:
        slot = held()
        slot.deliver(TOPIC, records(0))
        task = asyncio.create_task(offsets(batch(slot, 2, wait_s=LONG_S)))
        await until(lambda: slot.wake is not None)
        slot.deliver(TOPIC, records(1))
        slot.woken()
        assert await asyncio.wait_for(task, LONG_S) == [0, 1]

    asyncio.run(play())


def test_a_wake_for_records_that_were_taken_already_does_not_end_it() -> None:
    async def play() -> None:
        slot = held()
        slot.deliver(TOPIC, records(0))
        task = asyncio.create_task(offsets(batch(slot, 2, wait_s=LONG_S)))
        await until(lambda: slot.wake is not None)
        first = slot.wake
        slot.woken()
        await until(lambda: slot.wake is not first)
        slot.deliver(TOPIC, records(1))
        slot.woken()
        assert await asyncio.wait_for(task, LONG_S) == [0, 1]

    asyncio.run(play())


def test_a_slot_that_is_given_up_ends_it_with_what_it_has() -> None:
    async def play() -> None:
        slot = held()
        slot.deliver(TOPIC, records(0))
        task = asyncio.create_task(offsets(batch(slot, 2, wait_s=LONG_S)))
        await until(lambda: slot.wake is not None)
        slot.is_open = False
        slot.clear()
        slot.deliver(TOPIC, records(1))
        assert await asyncio.wait_for(task, LONG_S) == [0]

    asyncio.run(play())


def test_records_are_let_go_once_they_were_taken() -> None:
    async def play() -> None:
        slot = held()
        slot.deliver(TOPIC, records(0))
        taken = batch(slot, 10, wait_s=0.0)
        assert [record.offset() for record in taken.records] == [0]
        async for _ in taken.growing():
            assert not taken.records

    asyncio.run(play())
