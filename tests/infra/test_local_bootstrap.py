"""bootstrap.sh in a small checkout of its own: instant when done, resumed when not, plain words.

A recording stand-in takes uv's place, because what is tested is when the script calls it.
"""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# Writes down its arguments; `venv` makes the environment; everything fails while `fail` is there.
_UV = f"""#!/bin/sh
[ "$1" = --version ] && exit 0
echo "$1 $2" >>"$CALLS"
[ "$1" = venv ] && mkdir -p .venv/bin && ln -sf '{sys.executable}' .venv/bin/python
[ ! -e "$(dirname "$0")/fail" ]
"""


@dataclass
class Checkout:
    root: Path

    @property
    def calls(self) -> list[str]:
        """What uv was asked for since the last look."""
        file = self.root / "calls"
        found = file.read_text().splitlines() if file.exists() else []
        file.unlink(missing_ok=True)
        return found

    @property
    def fail(self) -> Path:
        return self.root / "programs/fail"

    def bootstrap(self, **environment: str) -> subprocess.CompletedProcess[str]:
        path = f"{self.root / 'programs'}:{os.environ['PATH']}"
        return subprocess.run(
            [self.root / "infra/local/bootstrap.sh"],
            env={
                **os.environ,
                "PATH": path,
                "CALLS": str(self.root / "calls"),
                "TIDEMILL_HOME": str(self.root / "home"),
                "TIDEMILL_PYTHON": sys.executable,
                **environment,
            },
            capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    script = tmp_path / "infra/local/bootstrap.sh"
    script.parent.mkdir(parents=True)
    script.write_bytes((ROOT / "infra/local/bootstrap.sh").read_bytes())
    uv = tmp_path / "programs/uv"
    uv.parent.mkdir()
    uv.write_text(_UV)
    for program in (script, uv):
        program.chmod(0o755)
    (tmp_path / "requirements.lock").write_text("a==1\n")
    (tmp_path / "pyproject.toml").write_text("[project]\n")
    return Checkout(tmp_path)


def test_the_second_run_asks_for_nothing(checkout: Checkout) -> None:
    first = checkout.bootstrap()
    assert first.returncode == 0, first.stderr
    assert checkout.calls == ["venv --quiet", "pip install", "pip install"]
    second = checkout.bootstrap()
    assert (second.returncode, second.stdout, second.stderr) == (0, "", "")
    assert checkout.calls == []


def test_a_changed_lock_installs_again_into_the_same_environment(checkout: Checkout) -> None:
    checkout.bootstrap()
    (checkout.root / "requirements.lock").write_text("a==2\n")
    assert checkout.calls != []
    assert checkout.bootstrap().returncode == 0
    assert checkout.calls == ["pip install", "pip install"]


def test_a_failed_run_says_what_to_do_and_the_next_one_resumes(checkout: Checkout) -> None:
    assert checkout.bootstrap().returncode == 0
    (checkout.root / "requirements.lock").write_text("a==2\n")
    checkout.fail.touch()
    failed = checkout.bootstrap()
    assert failed.returncode == 1
    assert failed.stderr.startswith("The Python environment could not be installed;")
    assert "run this again" in failed.stderr
    assert checkout.calls[-1:] == ["pip install"]
    checkout.fail.unlink()
    assert checkout.bootstrap().returncode == 0
    assert checkout.calls == ["pip install", "pip install"]


def test_a_home_that_cannot_be_written_to_is_one_sentence(checkout: Checkout) -> None:
    answer = checkout.bootstrap(TIDEMILL_HOME="/dev/null/home")
    assert answer.returncode == 1
    assert answer.stderr == (
        "/dev/null/home/tools cannot be written to; "
        "set TIDEMILL_HOME to a folder that you may write to.\n"
    )
    assert checkout.calls == []


def test_a_folder_instead_of_an_environment_is_replaced(checkout: Checkout) -> None:
    (checkout.root / ".venv/bin").mkdir(parents=True)
    assert checkout.bootstrap().returncode == 0
    assert checkout.calls == ["venv --quiet", "pip install", "pip install"]
