"""The power fails: broker and workers are killed at once under load, and all of it returns, again
and again.
"""

import time

from tests.drills.brokers import answered
from tests.drills.check.findings import Findings, Report, report
from tests.drills.harness.load import Mixture
from tests.drills.harness.scene import Ground, Scene
from tests.drills.harness.waiting import until

SHORT = {"kills": 1, "rate": 150.0, "users": 100}


def run(ground: Ground, *, kills: int = 12, rate: float = 300.0, users: int = 300) -> Report:
    findings = Findings()
    with ground.scene() as scene:
        load = scene.load(rate, Mixture(users=users))
        crew = scene.crew(2)
        until("the first slates", lambda: scene.progress.answered() > 0)
        silent_s = [_outage(scene) for _ in range(kills)]
        findings.take(scene.verdict())
        figures = {
            "events": load.sent,
            "until_slates_again_s": silent_s,
            "exits": {str(code): times for code, times in crew.exit_codes().items()},
        }
    return report("outages", findings, figures)


def _outage(scene: Scene) -> float:
    """Seconds until slates come again."""
    (broker,), (crew,) = scene.cluster.brokers, scene.crews
    crew.forget()
    broker.kill()
    for member in crew.members:
        if member.is_running:
            member.worker.kill()
    began = time.monotonic()
    broker.start()
    before = until("the broker answers", lambda: answered(scene))
    for member in crew.members:
        crew.start(member)
    until("slates go out again", lambda: answered(scene) > before + 20)
    return round(time.monotonic() - began, 1)
