"""A worker that kills itself with SIGKILL at a chosen step of its third commit.

Run as `python tests/servers/dying_worker.py recommend` with DIE_AFTER naming the step.
"""

import os
import signal
import sys
from typing import Any

from streams import worker
from streams.lane import checkpoint, writing

STEPS = ("forward", "produce", "commit")
_THIRD = 3


def arm(step: str) -> None:
    passed = 0

    def pass_by() -> None:
        nonlocal passed
        passed += 1
        if passed == _THIRD:
            os.kill(os.getpid(), signal.SIGKILL)

    forward, until = writing.Forward.__call__, checkpoint.until

    def dying_forward(self: writing.Forward, *arguments: Any) -> None:
        forward(self, *arguments)
        if step == "forward":
            pass_by()

    def dying_until(deadline: float, what: str, call: writing.Step) -> None:
        if step == "produce" and what.startswith("commit"):
            pass_by()
        until(deadline, what, call)
        if step == "commit" and what.startswith("commit"):
            pass_by()

    writing.Forward.__call__ = dying_forward  # type: ignore[method-assign]
    checkpoint.until = dying_until


if __name__ == "__main__":
    arm(os.environ["TIDEMILL_DIE_AFTER"])
    worker.main(sys.argv[1:])
