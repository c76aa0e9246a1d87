"""Run one foreign command of the installation; its failure becomes one sentence for a person."""

import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from infra.local.problems import InstallError


def run(
    command: Sequence[str],
    *,
    failure: str,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> str:
    """The command's standard output. Raises InstallError(failure and the command's own words)."""
    try:
        answer = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
            env=env, cwd=cwd, check=False,
        )  # fmt: skip
    except OSError as error:
        raise InstallError(f"{failure}: {error}") from error
    if answer.returncode != 0:
        raise InstallError(f"{failure}: {_cause(answer.stderr + answer.stdout)}")
    return answer.stdout


def _cause(output: str) -> str:
    """The line of a long output that says why; apt marks it with E: and Maven with [ERROR]."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", output)
    lines = [line.strip() for line in plain.splitlines() if line.strip()]
    marked = [line for line in lines if re.match(r"(E:|\[ERROR\]) \S", line)]
    return (marked or lines[-1:] or ["it gave no reason"])[0][:500]
