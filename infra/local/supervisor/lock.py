"""One command at a time starts or stops servers in a home.

The kernel holds the lock for the process, so one that was killed leaves nothing behind.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from infra.local.problems import BusyError

_POLL_S = 0.1


@contextmanager
def locked(run: Path, wait_s: float = 180.0) -> Iterator[None]:
    """Raise BusyError, which names the other process, when it does not finish in `wait_s`."""
    run.mkdir(parents=True, exist_ok=True)
    deadline_s = time.monotonic() + wait_s
    with (run / "lock").open("a+") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline_s:
                    file.seek(0)
                    raise BusyError(
                        f"another command (pid {file.read().strip() or 'unknown'}) is starting or "
                        f"stopping servers in {run.parent}; run this again when it is done"
                    ) from None
                time.sleep(_POLL_S)
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
