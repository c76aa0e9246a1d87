"""What happens, in which order: one schedule by seed, as steps that read like sentences.

A step means the same whatever stands before it, so that a schedule from which steps are taken is
still a schedule (shrink.py).
"""

import random
from collections.abc import Callable
from typing import NamedTuple

REGIONS = ("east", "west")
USERS = 4
"""Few, so that their asks meet."""


class Step(NamedTuple):
    """`what` happens in a region; `number` says which event, how many records or milliseconds."""

    what: str
    region: str
    number: int = 0

    def __str__(self) -> str:
        return SENTENCES[self.what].format(**self._asdict())


SENTENCES = {
    "send": "an app sends event {number} to {region}",
    "again": "an app sends event {number} once more, to {region}",
    "pass": "{number} ms pass",
    "clock": "the clocks of {region} are {number} ms ahead from now on",
    "mirror-events": "{number} of the other's events reach {region}",
    "mirror-answers": "{number} of the other's recommendations reach {region}",
    "mirror-ownership": "{number} of the other's ownership records reach {region}",
    "cut": "the mirror into {region} is cut",
    "heal": "the mirror into {region} is healed",
    "die": "{region} dies",
    "revive": "{region} is back",
    "crash": "the worker of {region} dies and another starts",
    "news": "the worker of {region} reads who owns what",
    "batch": "the worker of {region} processes up to {number} records of each topic",
    "batch-unscored": "the same in {region}, up to {number}, while Triton is away",
    "commit": "the worker of {region} commits",
    "promote": "an operator promotes {region} for east",
    "promote-west": "an operator promotes {region} for west",
    "demote": "an operator demotes {region} for east",
    "demote-west": "an operator demotes {region} for west",
    "read": "the reader in {region} reads up to {number} recommendations of each topic",
    "told": "the reader in {region} reads who owns what",
    "restart": "the reader in {region} starts anew",
}

_COUNT = (1, 1, 2, 3, 8)
_MS = (1, 40, 900, 20_000, 45_000, 100_000, 300_000)
"""From less than a deadline to more than the 60 s of slack in the reading of due asks."""
_AHEAD_MS = (-25_000, 0, 0, 25_000)
"""Two regions never differ, and none steps back, by more than 60 s: what DESIGN.md bears."""

Number = Callable[[random.Random], int]
_WEIGHTS: dict[str, tuple[int, Number]] = {
    "pass": (9, lambda dice: dice.choice(_MS)),
    "clock": (1, lambda dice: dice.choice(_AHEAD_MS)),
    "mirror-events": (9, lambda dice: dice.choice(_COUNT)),
    "mirror-answers": (9, lambda dice: dice.choice(_COUNT)),
    "mirror-ownership": (5, lambda _: 1),
    "cut": (1, lambda _: 0),
    "heal": (1, lambda _: 0),
    "die": (1, lambda _: 0),
    "revive": (1, lambda _: 0),
    "crash": (2, lambda _: 0),
    "news": (5, lambda _: 0),
    "batch": (11, lambda dice: dice.choice(_COUNT)),
    "batch-unscored": (2, lambda dice: dice.choice(_COUNT)),
    "commit": (11, lambda _: 0),
    "promote": (2, lambda _: 0),
    "promote-west": (1, lambda _: 0),
    "demote": (1, lambda _: 0),
    "demote-west": (1, lambda _: 0),
    "read": (7, lambda dice: dice.choice(_COUNT)),
    "told": (2, lambda _: 0),
    "restart": (1, lambda _: 0),
}
_SEND = 14
_AGAIN = 2
_MOODS = (0, 1, 1, 1, 4)
"""What a weight is multiplied with, anew for each schedule: a world in which nothing is ever read,
or in which everybody promotes, goes where an even one seldom does.
"""


def schedule(seed: int, steps: int = 60) -> list[Step]:
    """The same for the same seed."""
    dice = random.Random(seed)
    names = ["send", "again", *_WEIGHTS]
    moods = (weight * dice.choice(_MOODS) for weight, _ in _WEIGHTS.values())
    weights = [_SEND, _AGAIN, *moods]
    made: list[Step] = []
    sent = 0
    for what in dice.choices(names, weights, k=dice.randint(steps // 3, steps)):
        region = dice.choice(REGIONS)
        if what == "send":
            sent += 1
            made.append(Step(what, region, sent))
        elif what == "again":
            made.append(Step(what, region, max(1, sent - dice.randrange(3))))
        else:
            made.append(Step(what, region, _WEIGHTS[what][1](dice)))
    return made
