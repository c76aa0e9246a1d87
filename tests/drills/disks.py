"""Disks that fail: full while the worker writes, and with damage in the files of the store.

The figures say how it was made full (harness/small_disk.py).
"""

import random
from pathlib import Path

from streams.lane.errors import DiskError
from tests.drills.check.findings import Findings, Report, report
from tests.drills.harness.crew import PASSING, Crew, Member
from tests.drills.harness.load import Mixture
from tests.drills.harness.scene import Ground, Scene
from tests.drills.harness.small_disk import small_disk
from tests.drills.harness.waiting import until

SHORT = {"rate": 300.0, "users": 1_000, "damages": ("manifest",)}
_SMALL_MB = 6
_LEFT_BYTES = 1024 * 1024
"""Enough to open the stores, and not for long."""
_DAMAGES = ("tables", "manifest", "current", "log", "all")
_SAID = "is made anew from the changelog"


def run(
    ground: Ground,
    *,
    rate: float = 800.0,
    users: int = 20_000,
    damages: tuple[str, ...] = _DAMAGES,
    mount: bool = True,
) -> Report:
    """Not `mount`: a limit on files also where one could mount."""
    findings, figures = Findings(), {}
    with ground.scene() as scene:
        load = scene.load(rate, Mixture(users=users))
        crew = scene.crew(1)
        until("the first slates", lambda: scene.progress.answered() > 0)
        figures["full"] = _fill(scene, crew, mount=mount)
        (worker,) = crew.add(1)
        scene.progress.wait_for_every_partition()
        figures["said"] = {what: _damage(scene, crew, worker, what) for what in damages}
        findings.take(scene.verdict(allowed_exits=PASSING | {DiskError.exit_code}))
        figures |= {
            "events": load.sent,
            "exits": {str(code): times for code, times in crew.exit_codes().items()},
        }
    return report("disks", findings, figures)


def _fill(scene: Scene, crew: Crew, *, mount: bool) -> dict[str, object]:
    """A worker whose disk is full says so and ends, again and again; with room it goes on."""
    folder = scene.folder / "state" / "small"
    with small_disk(folder, _SMALL_MB, mount=mount) as disk, disk.full(_LEFT_BYTES):
        crew.leave(*crew.living())
        (worker,) = crew.add(1, state_dir=folder / "disk")
        until("it says that its disk is full", lambda: _ended(crew, worker), 300.0)
        said = next(said for name, _, said in crew.exits if name == worker.name)
        # Somebody makes room.
        crew.kill(worker, again=False)
    worker.state_dir = scene.folder / "state" / "roomy"
    worker.worker.settings["state_dir"] = worker.state_dir
    crew.start(worker)
    scene.progress.wait_for_every_partition()
    assert crew.leave(worker) == [0]
    return {"how": disk.how, "said": said.replace(str(folder), "DISK")}


def _ended(crew: Crew, worker: Member) -> bool:
    codes = [code for name, code, _ in crew.exits if name == worker.name]
    assert set(codes) <= {DiskError.exit_code}, crew.exits
    return bool(codes)


def _damage(scene: Scene, crew: Crew, worker: Member, what: str) -> int:
    """Kill it, harm what lies on its disk; how often it said that a store is made anew."""
    if what in ("tables", "all"):
        crew.kill(worker)  # a start writes what the store's log holds into tables
        until("the stores have tables", lambda: len([*worker.state_dir.glob("*/*.sst")]) >= 2)
        scene.progress.wait_for_every_partition()
    told = worker.log_text().count(_SAID)
    crew.kill(worker, again=False)
    patterns = {
        "tables": ("*.sst",),
        "manifest": ("MANIFEST-*",),
        "current": ("CURRENT",),
        "log": ("*.log",),
        "all": ("*.sst", "MANIFEST-*", "*.log", "CURRENT"),
    }[what]
    harmed = [file for p in patterns for file in worker.state_dir.glob(f"*/{p}") if _harm(file)]
    crew.start(worker)
    assert harmed
    if what in ("manifest", "current"):
        until("it says that it makes a store anew", lambda: worker.log_text().count(_SAID) > told)
    scene.progress.wait_for_every_partition()
    return worker.log_text().count(_SAID) - told


def _harm(file: Path) -> bool:
    """Noise over the middle of a file."""
    size = file.stat().st_size
    if not size:
        return False
    noise = random.Random(9).randbytes(max(1, size // 3))
    with file.open("r+b") as opened:
        opened.seek(size // 3)
        opened.write(noise)
    return True
