"""Install the real servers into one folder: `python -m infra.local.install`, or `install` below.

Each step is skipped where its result is there, and its result appears in one rename, so Ctrl-C or
a crash at any point is resumed by running it again. A second run downloads nothing.
"""

import fcntl
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from infra.local.install import archive, jars, java, packages, triton
from infra.local.problems import InstallError

_NEEDED_BYTES = 2 * 1024**3
"""Unpacked, with room for what is fetched in between."""


@dataclass(frozen=True)
class Step:
    """One thing to install. `installed` only looks. Without what is not `needed` all works."""

    name: str
    installed: Callable[[Path], bool]
    install: Callable[[Path], None]
    needed: bool = True


STEPS = (
    Step("Java 17 and Maven", java.installed, java.install),
    Step("Kafka and MirrorMaker", jars.installed, jars.install),
    Step("Triton's backend", triton.installed, triton.install),
    Step("ClickHouse, Prometheus, Alertmanager, kcat", packages.installed, packages.install),
    Step("Java's class archives", archive.installed, archive.install, needed=False),
)


def install(tools: Path, report: Callable[[str], None] = lambda _: None) -> None:
    """Bring what is missing into `tools`. Raises InstallError: a sentence with a remedy."""
    _bring([step for step in STEPS if step.needed], tools, report)
    try:
        _bring([step for step in STEPS if not step.needed], tools, report)
    except Exception as error:  # noqa: BLE001 - whatever it was, all that is needed is there
        report(f"going on without, nothing needs it: {error}")


def _bring(steps: Sequence[Step], tools: Path, report: Callable[[str], None]) -> None:
    missing = [step for step in steps if not step.installed(tools)]
    if not missing:
        return
    _make(tools)
    with (tools / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another terminal installs the same: wait for it
        for number, step in enumerate(missing, 1):
            if step.installed(tools):
                continue
            report(f"[{number}/{len(missing)}] installing {step.name} ...")
            start_s = time.monotonic()
            step.install(tools)
            report(f"[{number}/{len(missing)}] {step.name}: {time.monotonic() - start_s:.0f} s")


def _make(tools: Path) -> None:
    try:
        tools.mkdir(parents=True, exist_ok=True)
        free_bytes = shutil.disk_usage(tools).free
    except OSError as error:
        raise InstallError(
            f"{tools} cannot be made ({error.strerror}); "
            "set TIDEMILL_HOME to a folder that you may write to"
        ) from error
    if free_bytes < _NEEDED_BYTES:
        raise InstallError(
            f"{tools} has {free_bytes / 1024**3:.1f} GiB free and "
            f"{_NEEDED_BYTES / 1024**3:.0f} GiB are needed; "
            "free some or set TIDEMILL_HOME to a folder on another disk"
        )
