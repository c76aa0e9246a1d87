"""Memory that was freed, given back to the system."""

import ctypes


def give_back() -> None:
    """After reading a log, which takes a hundred MB for a moment: glibc would keep it in the arena
    of each thread that read. Where the C library is another one it does nothing.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
