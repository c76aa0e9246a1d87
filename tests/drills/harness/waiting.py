"""Waiting for what must become true, with a deadline and a sentence."""

import logging
import time
from collections.abc import Callable
from typing import TypeVar

log = logging.getLogger(__name__)
T = TypeVar("T")

DEADLINE_S = 400.0
"""For anything to happen on slow, shared cores."""
_POLL_S = 0.1
_SILENT_S = 10.0
"""Whoever waits longer is told for what."""


class NotInTimeError(AssertionError):
    """What a drill waited for did not happen: a failure of what is drilled."""


def until(
    what: str, condition: Callable[[], T], deadline_s: float = DEADLINE_S, *, strict: bool = True
) -> T:
    """Ask again and again until the answer is true; the answer. Not `strict`: the last answer,
    also where it is not; somebody else will say so.
    """
    began = told = time.monotonic()
    while not (answer := condition()):
        now = time.monotonic()
        if now - told > _SILENT_S:
            told = now
            log.info("waiting for %.0f s: %s", now - began, what)
        if now - began > deadline_s:
            if not strict:
                break
            raise NotInTimeError(f"not within {deadline_s:.0f} s: {what}")
        time.sleep(_POLL_S)
    return answer
