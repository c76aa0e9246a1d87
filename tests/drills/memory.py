"""More users than fit: states are let go and read back, and the worker stays within its bound."""

from tests.drills.check.findings import Report, report
from tests.drills.harness.load import Mixture
from tests.drills.harness.scene import Ground
from tests.drills.harness.waiting import until

SHORT = {"users": 15_000, "events": 25_000, "rate": 2_500.0, "hot_mb": 2, "bound_mb": 300.0}


def run(
    ground: Ground,
    *,
    users: int = 1_000_000,
    events: int = 1_500_000,
    rate: float = 4_000.0,
    hot_mb: int = 64,
    pending_records: int = 20_000,
    pending_asks: int = 8_000,
    bound_mb: float = 600.0,
) -> Report:
    """`hot_mb` holds a fraction of the users, and the other two of what waits behind a kill;
    `bound_mb` is for the whole process.
    """
    with ground.scene() as scene:
        mixture = Mixture(users=users, again=0.0, misplaced=0.0, poison=0.0)
        load = scene.load(rate, mixture, limit=events)
        bounds = {
            "hot_mb": hot_mb,
            "pending_records": pending_records,
            "pending_asks": pending_asks,
        }
        crew = scene.crew(1, flush_s=5.0, **bounds)
        until("half is sent", lambda: load.sent > events / 2, 3_600.0)
        crew.kill(crew.members[0])  # and from its disk in the middle of it
        until("all is sent", lambda: not load.is_alive(), 3_600.0)
        scene.checker.watched_share = min(1.0, 20_000 / users)
        findings = scene.verdict(deadline_s=1_800.0)
        if crew.peak_mb > bound_mb:
            findings.add("memory beyond its bound", f"{crew.peak_mb:.0f} MB of {bound_mb:.0f}")
        figures = {
            "users": users,
            "events": load.sent,
            **bounds,
            "peak_mb": round(crew.peak_mb),
            "bound_mb": bound_mb,
        }
        return report("memory", findings, figures)
