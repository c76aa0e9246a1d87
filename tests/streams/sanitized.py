"""The tests of the compiled hot path under the address and undefined-behaviour sanitizers.

    python -m tests.streams.sanitized

Compiles a copy of its own and runs the tests in a process that has the sanitizers' libraries; a
minute. By hand, behind a change of the C sources: gcc's runtime is not everywhere.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from streams import native
from streams.native.build import build

_FLAGS = ("-O1", "-g", "-fno-omit-frame-pointer", "-fsanitize=address,undefined", "-Werror")
_TESTS = ("test_native_intake.py", "test_native_scan.py", "test_recent.py", "test_state_users.py")
_ENVIRONMENT = {
    "ASAN_OPTIONS": "detect_leaks=0",  # the interpreter itself leaves much behind
    "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
    "PYTHONMALLOC": "malloc",
}


def main(compiled: str | None = None) -> int:
    """With a file: run the tests on it, in this process."""
    if compiled is not None:
        native.compiled = lambda: Path(compiled)  # type: ignore[assignment]
        assert native.unavailable() is None, native.unavailable()
        here = Path(__file__).parent
        return pytest.main(["-q", "--show-capture=no", *(str(here / test) for test in _TESTS)])
    with tempfile.TemporaryDirectory() as folder:
        copy = build(_FLAGS, Path(folder) / "hot.so")
        environment = {**os.environ, **_ENVIRONMENT, "LD_PRELOAD": _libraries()}
        command = [sys.executable, "-m", __spec__.name, str(copy)]
        return subprocess.run(command, env=environment, check=False).returncode


def _libraries() -> str:
    commands = (["gcc", f"-print-file-name={name}"] for name in ("libasan.so", "libubsan.so"))
    return " ".join(
        subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
        for command in commands
    )


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
