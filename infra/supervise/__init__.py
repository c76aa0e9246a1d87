"""Keep the workers of one home running: `python -m infra.supervise HOME`, one process a home.

`tidemill up` writes what it wants (`wanted.py`), this process makes it so (`loop.py`, `kept.py`)
and tells what became of it (`told.py`), which `up` waits for (`asking.py`) and `status` shows. It
is the parent of the workers; if it dies, each gets SIGTERM from the kernel, drains and ends, and
the next `up` starts all of them again: none is ever doubled or left without a supervisor.

Servers are not kept: they are started by `infra.local.supervisor` and outlive this process.
"""

NAME = "supervisor"
"""Of the supervising process, in its record, its log and what people read."""
