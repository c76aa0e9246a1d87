"""A zombie region: all of it sleeps (SIGSTOP), the other takes over, and it wakes (SIGCONT) with
what it had in hand, its peers' old connections, and the belief that it owns its people.
"""

import msgspec

from tests.drills import failover
from tests.drills.check.findings import Report
from tests.drills.harness.scene import Ground

SHORT = {"rate": 40.0, "users": 60, "partitions": 2, "steady_s": 3.0}


def run(
    ground: Ground,
    *,
    rate: float = 100.0,
    users: int = 200,
    partitions: int = 4,
    steady_s: float = 20.0,
) -> Report:
    """As `failover`, whose times are not judged here."""
    made = failover.run(
        ground, rate=rate, users=users, partitions=partitions, steady_s=steady_s,
        full=False, frozen=True, bars=False, picture="",
    )  # fmt: skip
    return msgspec.structs.replace(made, drill="frozen")
