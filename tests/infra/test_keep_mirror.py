"""The parent of MirrorMaker, over programs that are none: what begins anew, what ends with what."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from infra.keep_mirror import keep
from tests.servers.workers import CHECKOUT, until

SLEEPS = [sys.executable, "-c", "import time; time.sleep(1000)"]
KEEPS = """
import sys
from infra.keep_mirror import keep
from pathlib import Path
failed = Path(sys.argv[1])

def failures(since_ms):
    return [] if not failed.exists() or failed.stat().st_mtime * 1000 < since_ms else ["a task"]

def mend():
    with failed.with_name("mended").open("a") as file:
        file.write("once ")

sys.exit(keep(sys.argv[2:], failures, mend, look_s=0.05))
"""


@pytest.fixture
def failed(tmp_path: Path) -> Path:
    """Touch it, and a task has failed."""
    return tmp_path / "failed"


@pytest.fixture
def keeping(failed: Path) -> Iterator["subprocess.Popen[bytes]"]:
    process = subprocess.Popen(
        [sys.executable, "-c", KEEPS, str(failed), *SLEEPS],
        env=os.environ | {"PYTHONPATH": str(CHECKOUT)},
    )
    yield process
    process.kill()
    process.wait()


def child(keeping: "subprocess.Popen[bytes]") -> psutil.Process:
    (found,) = until("it has a child", lambda: _running(keeping))
    assert isinstance(found, psutil.Process)
    return found


def _running(keeping: "subprocess.Popen[bytes]") -> list[psutil.Process]:
    """Without one between fork and its program."""
    children = psutil.Process(keeping.pid).children()
    return [one for one in children if one.cmdline() == SLEEPS]


def test_what_failed_begins_anew(keeping: "subprocess.Popen[bytes]", failed: Path) -> None:
    first = child(keeping)
    failed.touch()
    until("it is gone", lambda: not first.is_running())
    second = child(keeping)
    assert second.pid != first.pid
    assert failed.with_name("mended").read_text() == "once once ", "before each of them"
    assert keeping.poll() is None


def test_it_ends_in_good_order_when_it_is_told_to(keeping: "subprocess.Popen[bytes]") -> None:
    kept = child(keeping)
    keeping.send_signal(signal.SIGTERM)
    assert keeping.wait(60) == -signal.SIGTERM % 256
    assert not kept.is_running()


def test_it_takes_its_child_along(keeping: "subprocess.Popen[bytes]") -> None:
    kept = child(keeping)
    keeping.kill()
    until("the child is gone", lambda: not kept.is_running())


def test_an_end_is_told_with_its_exit_code() -> None:
    ends = [sys.executable, "-c", "raise SystemExit(7)"]
    assert keep(ends, lambda _: (), look_s=1_000.0) == 7, "it is woken before its next look"
