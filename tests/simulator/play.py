"""Schedules by seed, played and judged; the first that fails is shrunk and told.

python -m tests.simulator.play --schedules 200000 [--first SEED] [--steps N]
"""

import argparse
import sys
import time
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from tests.simulator.properties import violations
from tests.simulator.rules import REAL, Rules
from tests.simulator.schedule import Step, schedule
from tests.simulator.shrink import shrunk, story
from tests.simulator.world import World

STEPS = 60
"""At most, in one schedule."""


class Failure(NamedTuple):
    seed: int
    steps: list[Step]
    """Shrunk."""
    wrong: list[str]

    def __str__(self) -> str:
        return f"schedule {self.seed}, shrunk:\n{story(self.steps, self.wrong)}"


def judged(steps: Sequence[Step], rules: Rules = REAL) -> list[str]:
    """What does not hold after these steps."""
    return violations(World(rules).play(steps))


def first_failure(seeds: Iterable[int], rules: Rules = REAL, steps: int = STEPS) -> Failure | None:
    for seed in seeds:
        whole = schedule(seed, steps)
        if judged(whole, rules):
            few = shrunk(whole, lambda some: bool(judged(some, rules)))
            return Failure(seed, few, judged(few, rules))
    return None


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--schedules", type=int, default=200_000)
    parser.add_argument("--first", type=int, default=0, help="seed")
    parser.add_argument("--steps", type=int, default=STEPS)
    given = parser.parse_args(arguments)
    began = time.monotonic()
    failure = first_failure(range(given.first, given.first + given.schedules), steps=given.steps)
    took_s = time.monotonic() - began
    out = sys.stdout.write
    if failure is not None:
        out(f"{failure}\n")
        return 1
    out(f"{given.schedules} schedules in {took_s:.0f} s: every property held\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
