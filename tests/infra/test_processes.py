"""Identities of processes."""

import os
import subprocess
import sys

import pytest

from infra.processes import identity


def test_a_process_keeps_its_identity_and_shares_it_with_nobody() -> None:
    mine = identity(os.getpid())
    program = "import os; from infra.processes import identity; print(identity(os.getppid()))"
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as child:
        assert identity(child.pid) != mine
        assert child.stdout is not None
        assert child.stdout.read().decode().strip() == mine


def test_a_name_with_brackets_is_no_part_of_it() -> None:
    program = (
        "from pathlib import Path; from infra.processes import identity; import os;"
        "before = identity(os.getpid()); Path('/proc/self/comm').write_text('a) S 1 2 (b');"
        "assert identity(os.getpid()) == before"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_of_nobody_there_is_none() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        pass
    with pytest.raises(OSError, match=str(gone.pid)):
        identity(gone.pid)
