"""Warnings that may come a thousand times a second, and say the same."""

import logging
import time
from collections import Counter

EVERY_S = 60.0


class Seldom:
    """Lets one warning of each kind through in EVERY_S and counts the others, which the next that
    is said tells. Kinds are few: all are remembered.
    """

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._next_s: dict[object, float] = {}
        self._unsaid: Counter[object] = Counter()

    def warn(self, kind: object, message: str, *arguments: object) -> None:
        now_s = time.monotonic()
        if now_s < self._next_s.get(kind, 0.0):
            self._unsaid[kind] += 1
            return
        self._next_s[kind] = now_s + EVERY_S
        if unsaid := self._unsaid.pop(kind, 0):
            message += f" ({unsaid} more since the last time this was said)"
        self._log.warning(message, *arguments)
