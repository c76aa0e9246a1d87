"""A moment in a log as a person writes it: `80%` of its interactions, or a date. Pure."""

from datetime import UTC, datetime

import numpy as np

from inference.data.interactions import Interactions
from inference.errors import DataError


def moment_ms(log: Interactions, text: str) -> int:
    """The time of the first interaction that is behind the moment. Raises DataError."""
    if not log.timed:
        raise DataError(f"{log.name} has no times, so it cannot be cut at {text}")
    if text.endswith("%"):
        try:
            share = float(text[:-1]) / 100
        except ValueError:
            share = -1.0
        if not 0 <= share <= 1 or not len(log):
            raise DataError(f"{text} is not a share of {log.name}; 0% to 100% are")
        place = int(share * len(log))
        return int(log.time_ms[place]) if place < len(log) else int(log.time_ms[-1]) + 1
    at_ms = date_ms(text)
    if at_ms is None:
        raise DataError(f"{text} is neither a share such as 80% nor a date such as 1998-03-08")
    return at_ms


def date_ms(text: str) -> int | None:
    """UTC where it does not say otherwise; None for what is no date."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)


def between(log: Interactions, start: str | None, end: str | None) -> Interactions:
    """What happened from `start` on and before `end`. Raises DataError."""
    chosen = np.ones(len(log), np.bool_)
    if start is not None:
        chosen &= log.time_ms >= moment_ms(log, start)
    if end is not None:
        chosen &= log.time_ms < moment_ms(log, end)
    return log.select(chosen)
