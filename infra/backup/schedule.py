"""When the next backup is due, and the loop that makes it; any supervisor may keep it running.

What is due is read from the backups that are there, never remembered: a loop that starts again
after a day makes one at once, one that starts a minute after the last waits. Called by
`tidemill backup schedule`.
"""

import re
import threading
import time
from collections.abc import Callable

_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
RETRY_S = 60.0
"""After one that failed; a store that is away for an hour is asked once a minute."""


def seconds_of(text: str) -> float:
    """`90s`, `30m`, `6h` or `1d`. Raises ValueError."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", text.strip())
    seconds = float(found[1]) * _UNITS[found[2]] if found else 0.0
    if seconds <= 0:
        raise ValueError(f"{text!r} is no time; 90s, 30m, 6h and 1d are")
    return seconds


def due_in_s(last_ms: int | None, every_s: float, now_ms: int) -> float:
    """Seconds until a backup is due, 0 for now; `last_ms`: when the last finished one began."""
    if last_ms is None:
        return 0.0
    return min(every_s, max(0.0, last_ms / 1000 + every_s - now_ms / 1000))


def run(
    last_ms: Callable[[], int | None],
    make: Callable[[], bool],
    every_s: float,
    stop: threading.Event,
    tell: Callable[[str], None],
) -> None:
    """Until `stop` is set. `make` says whether it made one."""
    retry_s = min(RETRY_S, every_s)
    while not stop.is_set():
        left_s = due_in_s(last_ms(), every_s, time.time_ns() // 1_000_000)
        if left_s > 0:
            tell(f"the next backup is due in {left_s:.0f} s")
            stop.wait(left_s)
        elif not make():
            tell(f"it is tried again in {retry_s:.0f} s")
            stop.wait(retry_s)
