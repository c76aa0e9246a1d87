"""Restores that are made hard: longer than the session, and from a changelog that was compacted."""

import re
import time

from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource

from schemas.topics import STATE_CHANGELOG
from tests.drills.check import logs
from tests.drills.check.findings import Findings, Report, report
from tests.drills.check.logs import Logs
from tests.drills.harness.crew import Crew
from tests.drills.harness.load import Mixture
from tests.drills.harness.scene import Ground, Scene
from tests.drills.harness.waiting import until

SHORT = {"users": 15_000, "rate": 1_500.0, "session_ms": 1_000}
_OPENED = re.compile(r"is open after ([0-9.]+) s")


def run(
    ground: Ground, *, users: int = 300_000, rate: float = 6_000.0, session_ms: int = 1_000
) -> Report:
    with ground.scene() as scene:
        # Many users, each once or twice: a changelog that is long to read.
        mixture = Mixture(users=users, again=0.0, misplaced=0.0, poison=0.0, late_ms=1)
        load = scene.load(rate, mixture, limit=2 * users)
        crew = scene.crew(1, session_timeout_ms=session_ms, flush_s=2.0)
        until("all is sent", lambda: not load.is_alive(), 1_200.0)
        scene.settle(1_200.0)
        findings = Findings()
        long_s = _restored(scene, crew)
        before, after = _compacted(scene)
        short_s = _restored(scene, crew)
        findings.take(scene.verdict(deadline_s=600.0))
        log = crew.members[0].log_text()
        if moved := log.count("is given up (lost)"):
            findings.add("restores that lost their partition", f"{moved} times")
        opening_s = max(float(took) for took in _OPENED.findall(log))
        if opening_s < session_ms / 1000:
            findings.add("restores shorter than the session", f"{opening_s} s; take more users")
        figures = {
            "users": users,
            "session_s": session_ms / 1000,
            "longest_opening_s": opening_s,
            "restore_s": long_s,
            "compacted_records": {"before": before, "after": after},
            "restore_of_compacted_s": short_s,
            "peak_mb": round(crew.peak_mb),
        }
        return report("restores", findings, figures)


def _restored(scene: Scene, crew: Crew) -> float:
    """Kill the worker with its disk; seconds until all partitions are open again."""
    (worker,) = crew.members
    opened = worker.log_text().count("is open after")
    began = time.monotonic()
    crew.kill(worker, wipe=True)
    until(
        "every partition is open",
        lambda: worker.log_text().count("is open after") >= opened + scene.partitions,
        600.0,
    )
    return round(time.monotonic() - began, 1)


def _compacted(scene: Scene) -> tuple[int, int]:
    """Have the broker compact the changelog; its records before and after.

    Some events go on coming: the segment that was written last is compacted once there is a newer.
    """
    admin = logs.administrator(scene.bootstrap)
    before = _records(scene)
    _configure(
        admin,
        {
            "segment.ms": "1000",
            "min.cleanable.dirty.ratio": "0.01",
            "max.compaction.lag.ms": "1000",
            "delete.retention.ms": "0",
        },
    )
    scene.load(20.0, Mixture(users=200))
    until("the changelog shrinks", lambda: _records(scene) < 0.7 * before, 300.0)
    return before, _records(scene)


def _records(scene: Scene) -> int:
    reader = Logs(scene.bootstrap)
    try:
        return sum(
            1
            for number in range(scene.partitions)
            for _ in reader.records(STATE_CHANGELOG.name, number)
        )
    finally:
        reader.close()


def _configure(admin: AdminClient, settings: dict[str, str]) -> None:
    entries = [
        ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
        for name, value in settings.items()
    ]
    resource = ConfigResource(
        ConfigResource.Type.TOPIC, STATE_CHANGELOG.name, incremental_configs=entries
    )
    for answer in admin.incremental_alter_configs([resource]).values():
        answer.result()
