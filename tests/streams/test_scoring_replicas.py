"""Two servers of which one is slow, stopped or dead for a while: each policy, on a simulated clock.

What is promised: whoever asks later than the first deadline behind the fault gets an answer, the
faulty one gets probes only, and it comes back by itself when it is well.
"""

import asyncio
from collections.abc import Callable
from random import Random
from typing import get_args

import pytest

from streams.scoring.balancing import Name
from streams.scoring.budget import AT_ONCE
from streams.scoring.circuit import FAILURES_TO_OPEN
from tests.streams.simulated_replicas import DEADLINE_S, Asked, Server, Shop, simulated

POLICIES = get_args(Name)
BEGINS_S, ENDS_S, OVER_S = 3.0, 8.0, 13.0
SETTLED_S = 2.0
"""Behind a fault or its end: first probe, probation, and some traffic."""
EVERY_S = 0.01

Fault = Callable[[Server], None]
FAULTS: dict[str, Fault] = {
    "ten times slower": lambda server: setattr(server, "slower", 10.0),
    "stopped": lambda server: server.goes_on.clear(),
    "dead": lambda server: setattr(server, "is_dead", True),
}


def _is_well(server: Server) -> None:
    server.slower, server.is_dead = 1.0, False
    server.goes_on.set()


def _played(policy: Name, fault: Fault, hedges: float = 0.1) -> Shop:
    """The faulty one is so from BEGINS_S to ENDS_S."""
    found: list[Shop] = []

    async def program() -> None:
        shop = Shop(policy, hedges)
        found.append(shop)
        loop = asyncio.get_running_loop()
        loop.call_later(BEGINS_S, fault, shop.shaky)
        loop.call_later(ENDS_S, _is_well, shop.shaky)
        await shop.crowd(OVER_S, EVERY_S)

    simulated(program)
    return found[0]


def _worst_s(asked: list[Asked], begin_s: float, end_s: float) -> float:
    """Of 99 in 100 that asked then."""
    took = sorted(one.took_s for one in asked if begin_s <= one.at_s < end_s)
    return took[int(0.99 * len(took))]


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_nobody_is_left_without_an_answer_and_the_faulty_one_comes_back(
    policy: Name, fault: Fault
) -> None:
    shop = _played(policy, fault)
    assert len(shop.asked) > 0.99 * OVER_S / EVERY_S
    assert [one for one in shop.asked if one.failure] == []
    healthy_s = _worst_s(shop.asked, 1, BEGINS_S)
    assert _worst_s(shop.asked, BEGINS_S + SETTLED_S, ENDS_S) < 2 * healthy_s
    # Of 300 requests it gets a probe a second, and the second ones if it does answer in the end.
    second = 30 if fault is FAULTS["ten times slower"] else 0
    assert shop.shaky.asked_between(BEGINS_S + SETTLED_S, ENDS_S) < 10 + second
    before = shop.shaky.asked_between(BEGINS_S - 2, BEGINS_S)
    behind = shop.shaky.asked_between(OVER_S - 2, OVER_S)
    assert behind > before / 2, "it has its share again"
    # Second requests stay within their budget; a dead one's users are passed on, and probes come
    # on top.
    passed_on, probes = AT_ONCE, 2 * (ENDS_S - BEGINS_S) + 5
    assert shop.sent <= 1.1 * len(shop.asked) + AT_ONCE + passed_on + probes


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_without_hedges_only_the_first_deadline_is_missed(policy: Name, fault: Fault) -> None:
    shop = _played(policy, fault, hedges=0)
    failed = [one.at_s for one in shop.asked if one.failure]
    if fault is not FAULTS["stopped"]:
        assert not failed
    elif policy == "latency":
        # It is asked so seldom from then on that its circuit opens late, and costs as little.
        assert len(failed) == FAILURES_TO_OPEN
    else:
        assert 0 < len(failed) < 2 * DEADLINE_S / EVERY_S
        assert min(failed) > BEGINS_S - DEADLINE_S
        assert max(failed) < BEGINS_S + 2 * DEADLINE_S
    assert shop.sent < len(shop.asked) + 40, "probes, and those of a dead one that were passed on"


def test_where_both_are_slow_none_is_ejected_and_the_load_is_not_doubled() -> None:
    async def program() -> None:
        shop = Shop("round_robin")
        await shop.crowd(5)
        for server in shop.servers.values():
            server.slower = 8.0
        await shop.crowd(15)
        assert len(shop.replicas.standing) == 2
        assert [one for one in shop.asked if one.failure] == []
        assert shop.sent <= 1.1 * len(shop.asked) + AT_ONCE

    simulated(program)


def test_with_both_dead_asks_fail_at_once_and_the_first_one_back_answers_all() -> None:
    async def program() -> None:
        shop = Shop("round_robin")
        for server in shop.servers.values():
            server.is_dead = True
        await shop.crowd(5)
        assert {one.failure for one in shop.asked} == {"unavailable"}
        assert shop.sent < 40, "they are asked as a probe, once a second each"
        shop.sound.is_dead = False
        await shop.crowd(7)
        assert {one.failure for one in shop.asked if one.at_s > 6.1} == {None}

    simulated(program)


def test_who_was_only_slow_stands_in_when_the_last_one_stops() -> None:
    async def program() -> None:
        shop = Shop("round_robin")
        await shop.crowd(3)
        shop.shaky.slower = 6.0
        await shop.crowd(5)
        assert [replica.name for replica in shop.replicas.standing] == ["sound"]
        shop.sound.goes_on.clear()
        await shop.crowd(8)
        failed = [one.at_s for one in shop.asked if one.failure]
        assert all(5 <= at_s < 5 + DEADLINE_S for at_s in failed), "the first deadline at most"
        assert [replica.name for replica in shop.replicas.standing] == ["shaky"]

    simulated(program)


def test_late_asks_get_around_a_server_that_is_stuck() -> None:
    async def program() -> None:
        shop = Shop("round_robin")
        await shop.crowd(5)
        shop.shaky.goes_on.clear()
        shop.asked.clear()
        for number in range(40):
            await shop.ask(f"user-{number}", deadline_s=60, is_late=True)
        assert {one.failure for one in shop.asked} == {None}
        slow = [one.took_s for one in shop.asked if one.took_s > 0.5]
        assert 0 < len(slow) <= 6, "until it was ejected"
        assert max(slow) < 1.5

    simulated(program)


@pytest.mark.parametrize("policy", POLICIES)
def test_pulses_cost_hardly_anybody_an_answer(policy: Name) -> None:
    """Stopped for a third of each second, again and again: ejected and back each time."""

    async def program() -> None:
        shop = Shop(policy)
        chance = Random(1)
        crowd = asyncio.create_task(shop.crowd(15))
        while not crowd.done():
            await asyncio.sleep(chance.uniform(0.5, 1))
            shop.shaky.goes_on.clear()
            await asyncio.sleep(chance.uniform(0.2, 0.4))
            shop.shaky.goes_on.set()
        failed = [one for one in shop.asked if one.failure]
        assert len(failed) <= 0.01 * len(shop.asked)
        assert shop.shaky.answers > 50
        assert shop.sent <= 1.2 * len(shop.asked)

    simulated(program)
