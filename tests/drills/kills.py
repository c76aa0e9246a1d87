"""Workers are killed at random moments, with their disks and without, for the whole of a run."""

import random
import time

from tests.drills.check.findings import Report, report
from tests.drills.harness.load import Mixture
from tests.drills.harness.scene import Ground
from tests.drills.harness.waiting import until

SHORT = {"kills": 20, "rate": 60.0, "users": 150, "peers": ("west",)}
_EVERY_S = 1.5
"""Between two kills on average: a worker is up for a moment, and most meet somebody half open."""
_LOOK_EVERY = 25
"""Kills between two looks at what a restart would restore."""


def run(
    ground: Ground,
    *,
    kills: int = 100,
    rate: float = 500.0,
    users: int = 400,
    peers: tuple[str, ...] = (),
) -> Report:
    """`kills` SIGKILLs of three workers, a third of them with the disk. `rate` is of each feed."""
    random_ = random.Random(4)
    with ground.scene(peers=peers) as scene:
        scene.load(rate, Mixture(users=users))
        scene.load_of_peers(rate, Mixture(users=users))
        crew = scene.crew(3)
        until("the first slates", lambda: scene.progress.answered() > 0)
        wiped = 0
        for number in range(1, kills + 1):
            time.sleep(random_.expovariate(1 / _EVERY_S))
            wipe = random_.random() < 1 / 3
            wiped += wipe
            crew.kill(random_.choice(crew.living()), wipe=wipe)
            if number % _LOOK_EVERY == 0:
                before = scene.progress.answered()
                until("slates go out again", lambda b=before: scene.progress.answered() > b)
                assert not (found := scene.checker.check_restorable()), found
        findings = scene.verdict()
        figures = {
            "kills": kills,
            "with_the_disk": wiped,
            "events": sum(load.sent for load in scene.loads),
            "exits": {str(code): times for code, times in crew.exit_codes().items()},
            "peak_mb": round(crew.peak_mb),
        }
        return report("kills", findings, figures)
