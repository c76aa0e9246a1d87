"""`tidemill` that stops or dies at a chosen place: `dying_command.py SIGNAL PLACE NTH CALL...`.

PLACE is `before` or `after`, a module and a function, such as
`after:infra.failover.journal:Journal.write`; it happens at the function's NTH call. `open` in place
of both: with the record at the broker, in a transaction that is not committed.
"""

import functools
import importlib
import itertools
import os
import signal
import sys
from typing import Any

from infra.cli.main import app
from infra.failover.writing import Writer


def _now() -> None:
    os.kill(os.getpid(), signal.Signals[sys.argv[1]])


def _patch(place: str, nth: int) -> None:
    when, module, path = place.split(":")
    *owners, name = path.split(".")
    owner: Any = importlib.import_module(module)
    for part in owners:
        owner = getattr(owner, part)
    real, calls = getattr(owner, name), itertools.count(1)

    @functools.wraps(real)
    def patched(*arguments: Any, **more: Any) -> Any:
        is_now = next(calls) == nth
        if is_now and when == "before":
            _now()
        answer = real(*arguments, **more)
        if is_now and when == "after":
            _now()
        return answer

    setattr(owner, name, patched)


def _leave_open() -> None:
    real, calls = Writer._do, itertools.count(1)

    def patched(writer: Writer, what: str, step: object) -> None:
        if next(calls) == 2:  # the first is the fencing
            writer._producer.flush()
            _now()
        real(writer, what, step)

    Writer._do = patched  # type: ignore[method-assign]


if sys.argv[2] == "open":
    _leave_open()
else:
    _patch(sys.argv[2], int(sys.argv[3]))
app(sys.argv[4:], prog_name="tidemill")
