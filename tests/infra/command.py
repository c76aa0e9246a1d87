"""The `tidemill` command as a person starts it: a process with settings, an exit code, two streams."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).parents[2]
DEADLINE_S = 300.0
NOWHERE = {
    "TIDEMILL_KAFKA": "127.0.0.1:1",
    "TIDEMILL_TRITON": "127.0.0.1:1",
    "TIDEMILL_CLICKHOUSE": "127.0.0.1:1",
    "TIDEMILL_PROMETHEUS_PORT": "1",
}
"""Nobody listens there."""


def environment(home: Path, **settings: str) -> dict[str, str]:
    """This process's environment with these settings alone."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TIDEMILL_")}
    return kept | {"PYTHONPATH": str(CHECKOUT), "TIDEMILL_HOME": str(home)} | settings


def tidemill(home: Path, *arguments: str, **settings: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "infra.cli", *arguments],
        env=environment(home, **settings),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )


def done(home: Path, *arguments: str, **settings: str) -> str:
    """What a command that must succeed prints."""
    answer = tidemill(home, *arguments, **settings)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return answer.stdout


def document(home: Path, *arguments: str, **settings: str) -> Any:
    """What a command prints with --json: one document and nothing else."""
    return json.loads(done(home, *arguments, "--json", **settings))


def failed(home: Path, *arguments: str, **settings: str) -> str:
    """The one line in which a command says why it failed."""
    answer = tidemill(home, *arguments, **settings)
    assert answer.returncode == 1, answer.stdout + answer.stderr
    (line,) = answer.stderr.splitlines()
    return line
