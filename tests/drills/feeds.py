"""Workers join, leave, die and return while the events of two regions come."""

import random

from tests.drills.check.findings import Report, report
from tests.drills.harness.load import Mixture
from tests.drills.harness.scene import Ground
from tests.drills.harness.waiting import until

SHORT = {"turns": 4, "rate": 60.0, "users": 150}


def run(ground: Ground, *, turns: int = 24, rate: float = 100.0, users: int = 600) -> Report:
    """`turns` of: one joins, one leaves in good order, one is killed."""
    random_ = random.Random(8)
    with ground.scene(peers=("west",)) as scene:
        scene.load(rate, Mixture(users=users))
        scene.load_of_peers(rate, Mixture(users=users))
        crew = scene.crew(3)
        until("the first slates", lambda: scene.progress.answered() > 0)
        for turn in range(turns):
            before = scene.progress.answered()
            until("slates go out", lambda b=before: scene.progress.answered() > b)
            kind = ("joins", "dies", "leaves", "returns")[turn % 4]
            one = random_.choice(crew.living())
            if kind == "joins":
                crew.add(1)
            elif kind == "leaves":
                until("it is a member", lambda one=one: one.has_joined)
                assert (codes := crew.leave(one)) == [0], f"{one.name} left with {codes}"
            else:
                crew.kill(one, wipe=kind == "returns")
        findings = scene.verdict()
        exits = {str(code): times for code, times in crew.exit_codes().items()}
        figures = {"turns": turns, "events": sum(x.sent for x in scene.loads), "exits": exits}
        return report("feeds", findings, figures)
