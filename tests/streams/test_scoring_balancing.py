"""Which of several servers is asked first, and what is known of how soon each answers."""

from collections import Counter
from random import Random
from typing import get_args

import pytest

from streams.scoring.balancing import Name, balancing
from streams.scoring.budget import AT_ONCE, Budget
from streams.scoring.latencies import UNKNOWN_S, Latencies
from streams.scoring.replica import Replica

USERS = [f"user-{number}" for number in range(300)]


def replicas(*means_s: float) -> list[Replica]:
    found = [Replica(f"triton-{number}:8001") for number in range(len(means_s))]
    for replica, mean_s in zip(found, means_s, strict=True):
        replica.latencies.weighed(mean_s, 0.0)
    return found


def firsts(policy: Name, standing: list[Replica]) -> list[Replica]:
    order = balancing(policy, Random(1))
    return [order(standing, user, 0.0)[0] for user in USERS]


@pytest.mark.parametrize("policy", get_args(Name))
@pytest.mark.parametrize("count", [1, 2, 5])
def test_each_stands_once_in_an_order_and_is_first_for_somebody(policy: Name, count: int) -> None:
    standing = replicas(*[0.01] * count)
    order = balancing(policy, Random(1))
    for user in USERS:
        assert Counter(order(standing, user, 0.0)) == Counter(standing)
    assert set(firsts(policy, standing)) == set(standing)


def test_in_turn_all_get_the_same() -> None:
    standing = replicas(0.01, 0.5, 0.01)
    assert set(Counter(firsts("round_robin", standing)).values()) == {len(USERS) // 3}


def test_by_latency_a_slower_one_gets_less_and_never_nothing() -> None:
    one, slower = replicas(0.01, 0.03)
    found = Counter(firsts("latency", [one, slower]))
    assert 0.05 < found[slower] / len(USERS) < 0.18  # a tenth


def test_by_latency_a_busy_one_gets_less() -> None:
    one, busy = replicas(0.01, 0.01)
    for _ in range(2):
        busy.begin(0.0)
    found = Counter(firsts("latency", [one, busy]))
    assert found[busy] < found[one] / 4
    # What it does not answer counts before it has answered.
    assert busy.cost_s(1.0) > 100 * one.cost_s(1.0)


def test_a_user_keeps_his_server_and_only_those_of_a_lost_one_move() -> None:
    standing = replicas(0.01, 0.01, 0.01)
    before = firsts("user", standing)
    assert firsts("user", standing[::-1]) == before
    left = standing[:2]
    behind = firsts("user", left)
    assert all(now is then for now, then in zip(behind, before, strict=True) if then in left)
    assert min(Counter(before).values()) > len(USERS) / 5


def test_the_p95_is_known_once_there_are_enough_answers() -> None:
    found = Latencies()
    for number in range(1, 20):
        found.answered(number / 1000, 0.0)
        assert found.p95_s is None
    found.answered(0.020, 0.0)
    assert found.p95_s == 0.019
    for _ in range(200):
        found.answered(0.001, 0.0)
    assert found.p95_s == 0.001, "old answers are forgotten"


def test_the_mean_rises_at_once_and_falls_over_seconds() -> None:
    found = Latencies()
    assert found.mean_s(0.0) == UNKNOWN_S
    found.answered(0.01, 0.0)
    found.answered(0.5, 1.0)
    assert found.mean_s(1.0) == 0.5
    found.answered(0.01, 2.0)
    assert 0.3 < found.mean_s(2.0) < 0.5
    assert found.mean_s(20.0) < 0.02, "so it is tried again"
    found.begins_anew()
    assert found.mean_s(20.0) == UNKNOWN_S


def test_hedges_are_a_share_of_the_requests_and_a_few_at_once() -> None:
    budget = Budget(0.1)
    taken = sum(budget.take() for _ in range(50))
    assert taken == AT_ONCE
    for _ in range(1000):
        budget.request()
        taken += budget.take()
    assert AT_ONCE + 95 <= taken <= AT_ONCE + 100


def test_no_share_is_no_hedge() -> None:
    budget = Budget(0.0)
    budget.request()
    assert not budget.take()
