"""ClickHouse is away for long, archive workers die, and every view counts each record once."""

import time

from tests.drills.check.archive import Wanted, check_archive
from tests.drills.check.findings import Report, report
from tests.drills.harness.clickhouse import own_clickhouse
from tests.drills.harness.load import Mixture
from tests.drills.harness.scene import Ground
from tests.drills.harness.waiting import until

SHORT = {"away_s": 20.0, "rate": 200.0, "users": 100}


def run(
    ground: Ground,
    *,
    away_s: float = 600.0,
    rate: float = 1_000.0,
    users: int = 2_000,
    bound_mb: float = 400.0,
) -> Report:
    """`bound_mb` is for an archive worker, however much waits in the topics."""
    with ground.scene() as scene, own_clickhouse(ground) as server:
        load = scene.load(rate, Mixture(users=users))
        scene.crew(1)
        archive = scene.crew(
            2, "archive", clickhouse=server.address, clickhouse_database=server.database
        )
        until("the first rows", lambda: server.rows() > 0)
        server.stop()
        for member in archive.members:
            time.sleep(away_s / 2)  # the outage itself
            archive.kill(member)
        server.start()
        before = server.rows()
        until("rows again", lambda: server.rows() > before)
        archive.kill(archive.members[0], wipe=True)
        findings = scene.verdict()
        archive.start(archive.members[1])  # what the last moments left
        wanted = Wanted(scene.bootstrap, scene.inputs)
        until("every row", lambda: wanted.is_in(server.execute), 600.0, strict=False)
        check_archive(server.execute, wanted, findings)
        archive.stop()
        if archive.peak_mb > bound_mb:
            findings.add("memory beyond its bound", f"{archive.peak_mb:.0f} MB of {bound_mb:.0f}")
        figures = {"away_s": away_s, "events": load.sent, "peak_mb": round(archive.peak_mb)}
        return report("archives", findings, figures)
