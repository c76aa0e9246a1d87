"""Workers that are wrong on purpose, broken like the right ones: the checker must find each."""

import random
import time

from tests.drills.check.findings import Findings, Report, report
from tests.drills.harness.load import Mixture
from tests.drills.harness.scene import Ground, Scene
from tests.drills.harness.waiting import until
from tests.drills.programs.lying import LIES

SHORT = {"kills": 6, "rate": 200.0, "users": 100, "lies": ("flush-outside", "answers-twice")}
LYING = ("-m", "tests.drills.programs.lying")
EXPECTED = {
    "flush-outside": {"states that cannot be restored", "wrong states in the changelog"},
    "position-first": {"refused records without a dead letter", "asks without an answer"},
    "drops": {"states that cannot be restored", "slates of a state that never was"},
    "answers-twice": {"repeated answers"},
    "unfenced": {"repeated answers", "repeated dead letters"},
}
"""Lie -> what it must be found by, one of these at least."""


def run(
    ground: Ground,
    *,
    kills: int = 12,
    rate: float = 300.0,
    users: int = 200,
    lies: tuple[str, ...] = tuple(LIES),
) -> Report:
    """A finding of this drill is a lie that was not found."""
    missed, caught = Findings(), {}
    for lie in lies:
        findings = _lied(ground, lie, kills, rate, users)
        caught[lie] = dict(findings.counts)
        missed.looked("lies")
        if not EXPECTED[lie] & findings.counts.keys():
            missed.add("lies that the checker did not find", f"{lie}: {findings}")
    return report("controls", missed, {"caught": caught})


def _lied(ground: Ground, lie: str, kills: int, rate: float, users: int) -> Findings:
    with ground.scene() as scene:
        # One in a thousand takes some thousands to be worth a look.
        scene.load(5 * rate if lie == "drops" else rate, Mixture(users=users, poison=0.05))
        crew = scene.crew(0, drill_lie=lie)
        crew.add(2, program=LYING)
        until("the first slates", lambda: scene.progress.answered() > 0)
        if lie == "unfenced":
            _sleep_and_wake(scene)
        random_, found = random.Random(6), Findings()
        for _ in range(kills if lie in ("flush-outside", "position-first") else 0):
            before = scene.progress.answered()
            until("slates go out", lambda b=before: scene.progress.answered() > b)
            time.sleep(random_.random())
            crew.kill(random_.choice(crew.living()), wipe=True)
            found.take(scene.checker.check_restorable())
        if lie == "drops":
            until("enough went through", lambda: scene.loads[0].sent > 10_000)
        if lie == "answers-twice":
            until("enough went through", lambda: scene.progress.answered() > 1_000)
        found.take(scene.verdict())
        return found


def _sleep_and_wake(scene: Scene) -> None:
    """Often enough that one of them has a batch in hand."""
    (crew,) = scene.crews
    for _ in range(3):
        for member in crew.living():
            crew.pause(member)
            before = scene.progress.answered()
            until("the other one takes over", lambda b=before: scene.progress.answered() > b + 300)
            crew.resume(member)
            before = scene.progress.answered()
            until("both go on", lambda b=before: scene.progress.answered() > b + 300)
