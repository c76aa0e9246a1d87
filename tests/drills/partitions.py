"""Many partitions on one worker, and the worker killed."""

from tests.drills.check.findings import Report, report
from tests.drills.harness.load import Mixture
from tests.drills.harness.scene import Ground

SHORT = {"partitions": 64, "rate": 150.0, "users": 2_000, "kills": 1}


def run(
    ground: Ground,
    *,
    partitions: int = 64,
    rate: float = 500.0,
    users: int = 2_000,
    kills: int = 5,
) -> Report:
    with ground.scene(partitions=partitions) as scene:
        load = scene.load(rate, Mixture(users=users))
        crew = scene.crew(1, flush_s=5.0, session_timeout_ms=6_000)
        for number in range(kills + 1):
            scene.progress.wait_for_every_partition()
            if number < kills:
                crew.kill(crew.members[0], wipe=number % 2 == 1)
        findings = scene.verdict()
        figures = {
            "partitions": partitions,
            "kills": kills,
            "events": load.sent,
            "exits": {str(code): times for code, times in crew.exit_codes().items()},
            "peak_mb": round(crew.peak_mb),
        }
        return report("partitions", findings, figures)
