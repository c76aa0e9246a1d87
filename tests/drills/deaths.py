"""A worker dies at every numbered step of the commit, the flush, the opening and the closing.

One worker at a time holds everything; each dies at its step, and the next one finds what it left.
Every second one finds its predecessor's disk, the others an empty one.
"""

import shutil
import signal
from collections.abc import Sequence
from pathlib import Path

from tests.drills.check.findings import Findings, Report, report
from tests.drills.harness.crew import Crew
from tests.drills.harness.load import Mixture
from tests.drills.harness.scene import Ground, Scene
from tests.drills.harness.waiting import until
from tests.drills.programs.breaking import CLOSING, OPENING, STEPS

SHORT = {
    "rounds": 1,
    "rate": 150.0,
    "users": 100,
    "steps": (
        "commit.2 answer produced",
        "commit.4 position produced",
        "commit.5 committed",
        "flush half stored",
        "open.3 restoring",
        "open.5 replaying",
        "due.2 reading",
        "close.1 draining",
    ),
}
BREAKING = ("-m", "tests.drills.programs.breaking")
_PASSES = (3, 1, 40)
"""How often a step is passed before the death, round by round: early, at once, late."""
_ONCE = ("open.1", "open.2", "open.3 restored", "open.4", "open.6", "due.1", "due.3", "close.")
"""Steps that each partition passes once; the fourth partition's is the last."""


def run(
    ground: Ground,
    *,
    rounds: int = 3,
    rate: float = 300.0,
    users: int = 400,
    steps: Sequence[str] = STEPS,
) -> Report:
    with ground.scene() as scene:
        load = scene.load(rate, Mixture(users=users))
        # Of one name: who comes next need not wait for the session of the dead.
        crew = scene.crew(1, instance="the-worker")
        until("the first slates", lambda: scene.progress.answered() > 0)
        crew.kill(crew.members[0], again=False)
        findings = Findings()
        for round_ in range(rounds):
            for number, step in enumerate(steps):
                fresh = (number + round_) % 2 == 1 or step == "open.3 restoring"
                _die(scene, crew, step, _passes(scene, step, round_), fresh=fresh)
                findings.looked("deaths")
            assert not (found := scene.checker.check_restorable()), found
        crew.add(1, state_dir=_disk(crew))  # who lives
        findings.take(scene.verdict())
        exits = {str(code): times for code, times in crew.exit_codes().items()}
        figures = {"steps": len(steps), "rounds": rounds, "events": load.sent, "exits": exits}
        return report("deaths", findings, figures)


def _passes(scene: Scene, step: str, round_: int) -> int:
    if step == "open.6 replayed":
        return 1  # a partition whose marker was just written has nothing to replay
    passes = _PASSES[round_ % len(_PASSES)]
    if step.startswith(_ONCE):
        return min(passes, scene.partitions)
    return min(passes, 10) if step in OPENING else passes  # an opening may not read much


def _disk(crew: Crew) -> Path:
    """The one that the dying share."""
    return crew.folder / "state" / "shared"


def _die(scene: Scene, crew: Crew, step: str, passes: int, *, fresh: bool) -> None:
    if fresh:
        shutil.rmtree(_disk(crew), ignore_errors=True)
    (dying,) = crew.add(
        program=BREAKING,
        wanted=False,
        state_dir=_disk(crew),
        drill_at=step,
        drill_pass=passes,
        drill_signal="SIGKILL",
    )
    if step in CLOSING:
        until(
            "every partition is open",
            lambda: dying.log_text().count("is open after") >= scene.partitions,
        )
        dying.worker.signal(signal.SIGTERM)
    until(f"the death at {step}", lambda: not dying.is_running)
    code = dying.worker.wait()
    assert code == -signal.SIGKILL, f"at {step}: exit {code}: {dying.log_text()[-500:]}"
