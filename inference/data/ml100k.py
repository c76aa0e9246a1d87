"""Fetches ml-100k: 100,000 real ratings with titles, genres and times, out of a Python wheel.

The wheel is only opened for its files, never installed into the environment, and its hash is
pinned in ml100k.requirements.txt. The folder appears whole or not at all.
"""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

from inference.errors import DataError
from inference.folders import drafted, locked, publish

REQUIREMENTS = Path(__file__).with_name("ml100k.requirements.txt")
FILES = ("ml-100k.inter", "ml-100k.item")
_IN_WHEEL = Path("recbole", "dataset_example", "ml-100k")
_DEADLINE_S = 600
"""For 2 MB; a network that needs longer is as good as none."""


def fetch_ml100k(target: Path) -> Path:
    """Puts the files into `target` unless they are there. Raises DataError."""
    if _is_complete(target):
        return target
    with locked(target.parent), drafted(target.parent) as draft:
        if _is_complete(target):  # somebody else fetched it while this waited for the lock
            return target
        if target.exists():
            raise DataError(f"it lacks one of {', '.join(FILES)}; remove it and try again", target)
        wheel = draft / "wheel"
        _download(wheel, target)
        files = draft / "files"
        files.mkdir()
        for name in FILES:
            shutil.copyfile(wheel / _IN_WHEEL / name, files / name)
        publish(files, target)
    return target


def _is_complete(target: Path) -> bool:
    return all((target / name).is_file() for name in FILES)


def _download(wheel: Path, target: Path) -> None:
    command = [
        *_installer(), "--no-deps", "--require-hashes", "--only-binary", ":all:", "--quiet",
        "--target", str(wheel), "-r", str(REQUIREMENTS),
    ]  # fmt: skip
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_DEADLINE_S, check=False
        )
        said = (done.stderr or done.stdout).strip()
    except (OSError, subprocess.TimeoutExpired) as error:
        said, done = str(error), None
    if done is None or done.returncode != 0:
        raise DataError(
            f"ml-100k could not be fetched; is there a network? Or put {' and '.join(FILES)}"
            f" there by hand. {Path(command[0]).name} said: {said}",
            target,
        )


def _installer() -> list[str]:
    """The uv that the environment names, on the path, or as a module; else pip."""
    uv = os.environ.get("TIDEMILL_UV") or shutil.which("uv")
    if uv:
        return [uv, "pip", "install", "--python", sys.executable]
    for module, words in (("uv", ["pip", "install"]), ("pip", ["install"])):
        if importlib.util.find_spec(module):
            return [sys.executable, "-m", module, *words]
    raise DataError("neither uv nor pip is there to fetch ml-100k; name uv in TIDEMILL_UV")
