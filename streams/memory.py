"""Memory that was freed, given back to the system."""

import ctypes


def give_back() -> None:
    """After what takes a hundred MB for a moment, like reading a log: glibc would keep it in the
    arena of each thread. Takes 10 to 60 ms, in which threads that allocate wait for a part of it.
    Where the C library is another one it does nothing.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
