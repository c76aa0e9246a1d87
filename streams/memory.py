"""Memory that was freed, given back to the system."""

import ctypes

_SOON_S = 3.0
"""Between two times behind batches of many answers."""
_MANY_ANSWERS = 1_000
"""Of a batch: they took some 10 MB."""
_USUAL_S = 60.0
"""Between two times behind other batches."""


def give_back() -> None:
    """After what takes a hundred MB for a moment, like reading a log: glibc would keep it in the
    arena of each thread. Takes 10 to 60 ms, in which threads that allocate wait for a part of it.
    Where the C library is another one it does nothing.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


class Returns:
    """When to give back what batches freed: often in a backlog, of whose memory that is much, and
    now and then for ever, because the arenas fill with pieces too small to be used again
    (decision 36).
    """

    def __init__(self, now_s: float) -> None:
        self._last_s = now_s

    def is_due(self, answers: int, now_s: float) -> bool:
        """Behind a batch of so many; true once, until the next is due."""
        wait_s = _SOON_S if answers > _MANY_ANSWERS else _USUAL_S
        due = now_s - self._last_s > wait_s
        if due:
            self._last_s = now_s
        return due
