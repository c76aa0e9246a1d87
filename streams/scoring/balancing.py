"""Which of several servers is asked first, and which if that one does not answer.

    round_robin   each in turn
    random        any
    latency       one that answers soon and has little to do, more often; none is left out
    user          the same for each user for as long as it stands (rendezvous hashing: when one
                  goes, only its own users move); a batch is split by it, so requests are smaller

Pure, except that `random` and `latency` draw from the generator they are given. Called by
`replicas` with those that stand now.
"""

from collections.abc import Callable, Sequence
from random import Random
from typing import Literal

from xxhash import xxh3_64_intdigest

from streams.scoring.replica import Replica

Name = Literal["round_robin", "random", "latency", "user"]
Balancing = Callable[[Sequence[Replica], str, float], list[Replica]]
"""(those that stand, the user, the time) -> all of them, the preferred one first."""


def balancing(name: Name, chance: Random) -> Balancing:
    match name:
        case "round_robin":
            return _RoundRobin()
        case "random":
            return lambda standing, _user, _now_s: chance.sample(standing, len(standing))
        case "latency":
            return _Latency(chance)
        case "user":
            return _by_user


class _RoundRobin:
    def __init__(self) -> None:
        self._turn = 0

    def __call__(self, standing: Sequence[Replica], _user: str, _now_s: float) -> list[Replica]:
        self._turn += 1
        first = self._turn % len(standing)
        return [*standing[first:], *standing[:first]]


class _Latency:
    """Draws without putting back; a server's chance falls with the square of its cost, so that one
    three times slower gets a tenth and not a quarter.
    """

    def __init__(self, chance: Random) -> None:
        self._chance = chance

    def __call__(self, standing: Sequence[Replica], _user: str, now_s: float) -> list[Replica]:
        left = list(standing)
        order = []
        while len(left) > 1:
            weights = [replica.cost_s(now_s) ** -2 for replica in left]
            (chosen,) = self._chance.choices(left, weights)
            left.remove(chosen)
            order.append(chosen)
        return order + left


def _by_user(standing: Sequence[Replica], user: str, _now_s: float) -> list[Replica]:
    return sorted(standing, key=lambda replica: _affinity(replica.name, user), reverse=True)


def _affinity(name: str, user: str) -> int:
    return xxh3_64_intdigest(f"{name}\0{user}".encode())
