"""Workers fall asleep past their session, lose their partitions to others, and wake up.

Asleep with a batch in hand (answers produced, nothing committed), in the middle of a commit, and in
a flush (states produced, the marker not; committed, and not yet in the store). With dynamic
membership, and with static membership where a replacement of the same name took over meanwhile.
"""

import signal

import psutil

from tests.drills.check.findings import Findings, Report, report
from tests.drills.harness.crew import Crew, Member
from tests.drills.harness.load import Mixture
from tests.drills.harness.scene import Ground, Scene
from tests.drills.harness.waiting import until
from tests.servers.workers import WORKER

SHORT = {"steps": ("commit.3 marker produced",), "rate": 200.0, "users": 100}
BREAKING = ("-m", "tests.drills.programs.breaking")
STEPS = (
    "commit.2 answer produced",
    "commit.3 state produced",
    "commit.3 marker produced",
    "commit.5 committing",
    "commit.5 committed",
    "flush committed",
    "commit.6 stored",
    "due.2 reading",
)


def run(
    ground: Ground, *, steps: tuple[str, ...] = STEPS, rate: float = 400.0, users: int = 200
) -> Report:
    findings, figures = Findings(), {}
    for membership in ("dynamic", "static"):
        with ground.scene() as scene:
            load = scene.load(rate, Mixture(users=users))
            crew = scene.crew()
            crew.add(1, **_named(membership, "steady"))
            until("the first slates", lambda: scene.progress.answered() > 0)
            woke = [_sleep(scene, crew, step, membership) for step in steps]
            for _ in steps:  # and one that sleeps wherever it happens to be
                _doze(scene, crew)
            findings.take(scene.verdict())
            findings.looked("zombies", 2 * len(steps))
            figures[membership] = {
                "events": load.sent,
                "woke_to": dict(zip(steps, woke, strict=True)),
                "exits": {str(code): times for code, times in crew.exit_codes().items()},
            }
    return report("zombies", findings, figures)


def _named(membership: str, name: str) -> dict[str, str]:
    return {"instance": name} if membership == "static" else {}


def _sleep(scene: Scene, crew: Crew, step: str, membership: str) -> str:
    """One that falls asleep at a step, is replaced, and wakes; what came of it."""
    named = _named(membership, "sleeper")
    (sleeper,) = crew.add(
        program=BREAKING,
        wanted=False,
        drill_at=step,
        drill_pass=2,
        drill_signal="SIGSTOP",
        **named,
    )
    until(f"it sleeps at {step}", lambda: _is_asleep(sleeper))
    replacement = crew.add(1, program=WORKER, **named) if named else []
    scene.progress.wait_for_every_partition()
    sleeper.worker.signal(signal.SIGCONT)
    scene.progress.wait_for_every_partition()
    # Fenced or not, it may live on; but it has no business here any more.
    code = crew.leave(sleeper)[0]
    crew.leave(*replacement)
    return f"exit {code}"


def _doze(scene: Scene, crew: Crew) -> None:
    (dozing,) = crew.add(1)
    before = scene.progress.answered()
    until("slates go out", lambda: scene.progress.answered() > before + 50)
    crew.pause(dozing)
    scene.progress.wait_for_every_partition()
    crew.resume(dozing)
    scene.progress.wait_for_every_partition()
    crew.leave(dozing)


def _is_asleep(member: Member) -> bool:
    assert member.is_running, f"it ended: {member.log_text()[-500:]}"
    return psutil.Process(member.pid).status() == psutil.STATUS_STOPPED
