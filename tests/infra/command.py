"""The `tidemill` command as a person calls it: settings, an exit code, two streams.

`tidemill` starts a process, and so do `done`, `document` and `failed`. `called` and what ends in
`_here` call the same application in this one, which has imported torch already: for what a test
calls again and again, or where another test starts the process.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from typer.testing import CliRunner, Result

from infra.cli.main import app

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
    """What this process has, with these settings alone."""
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


def called(home: Path, *arguments: str, **settings: str) -> Result:
    """Without a process of its own; not for what leaves processes behind."""
    gone = dict.fromkeys(name for name in os.environ if name.startswith("TIDEMILL_"))
    given = gone | {"TIDEMILL_HOME": str(home)} | settings
    return CliRunner().invoke(app, arguments, env=given, prog_name="tidemill")


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


def done_here(home: Path, *arguments: str, **settings: str) -> str:
    answer = called(home, *arguments, **settings)
    assert answer.exit_code == 0, answer.stdout + answer.stderr
    return answer.stdout


def document_here(home: Path, *arguments: str, **settings: str) -> Any:
    return json.loads(done_here(home, *arguments, "--json", **settings))


def failed_here(home: Path, *arguments: str, **settings: str) -> str:
    answer = called(home, *arguments, **settings)
    assert answer.exit_code == 1, answer.stdout + answer.stderr
    (line,) = answer.stderr.splitlines()
    return line
