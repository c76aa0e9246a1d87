"""Compiles the C sources; `python -m streams.native` does it, which `make install` calls.

What it makes is named by a hash of the sources, so it is never taken for that of others, and comes
to its name whole, so several may do this at once. It never fails an installation: where there is
no compiler it says so, and the workers go on in Python.
"""

import functools
import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

_HERE = Path(__file__).parent
_SOURCES = _HERE / "source"
_BUILT = _HERE / "built"
_FLAGS = ("-O3", "-std=gnu11", "-shared", "-fPIC", "-fvisibility=hidden", "-Wall", "-Wextra")
_LIBRARIES = ("-lm",)
_COMPILERS = ("cc", "gcc", "clang")
"""Asked for where the environment names none as CC."""
_DEADLINE_S = 300


class BuildError(Exception):
    """Nothing was made; the message says why."""


@functools.cache
def compiled() -> Path:
    """Where that which is made of these sources for this Python is, once it is made."""
    digest = hashlib.sha256(" ".join(_FLAGS).encode())
    for source in sorted(_SOURCES.glob("*.[ch]")):
        digest.update(source.name.encode() + b"\0" + source.read_bytes())
    return _BUILT / f"hot-{digest.hexdigest()[:16]}{sysconfig.get_config_var('EXT_SUFFIX')}"


def build(extra: tuple[str, ...] = (), into: Path | None = None) -> Path:
    """Compile unless it is there. `extra`: more flags, for a copy of one's own `into` a file.
    Raises BuildError.
    """
    made = compiled() if into is None else into
    if into is None and made.exists():
        return made
    command = [_compiler(), *_FLAGS, *extra, f"-I{_headers()}"]
    command += [str(source) for source in sorted(_SOURCES.glob("*.c"))]
    try:
        made.parent.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=made.parent) as folder:
            unfinished = Path(folder) / "hot"
            _run([*command, "-o", str(unfinished), *_LIBRARIES])
            unfinished.replace(made)
    except OSError as error:
        raise BuildError(f"it cannot be written to {made.parent}: {error}") from error
    return made


def _compiler() -> str:
    if named := os.environ.get("CC"):
        return named
    for name in _COMPILERS:
        if (path := shutil.which(name)) is not None:
            return path
    raise BuildError("there is no C compiler (on Debian: apt-get install gcc)")


def _headers() -> str:
    headers = sysconfig.get_path("include")
    if not (Path(headers) / "Python.h").exists():
        raise BuildError(f"Python.h is not in {headers} (on Debian: apt-get install python3-dev)")
    return headers


def _run(command: list[str]) -> None:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=_DEADLINE_S
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BuildError(f"{command[0]} did not do its work: {error}") from error
    if done.returncode != 0:
        raise BuildError(f"{command[0]} refuses the sources: {done.stderr.strip()[-2000:]}")


def main() -> None:
    try:
        build()
    except BuildError as error:
        sys.stderr.write(f"the hot path stays in Python, which costs more CPU: {error}\n")
