"""Signals as something to wait for, and the one a worker gets when its supervisor dies."""

import ctypes
import os
import select
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_PR_SET_PDEATHSIG = 1
"""prctl(2): the signal that the kernel sends to this process when its parent ends."""


class Signals:
    """Those that came and were not taken yet. None is lost between a look and the next wait."""

    def __init__(self, reading: socket.socket) -> None:
        self._reading = reading

    def wait(self, timeout_s: float | None) -> set[int]:
        """Returns at once when one is there, else after `timeout_s`; None waits for ever."""
        select.select([self._reading], [], [], timeout_s)
        try:
            return set(self._reading.recv(4096))
        except BlockingIOError:
            return set()


@contextmanager
def received(*numbers: signal.Signals) -> Iterator[Signals]:
    """From here on these signals do nothing but to end a `wait`. Main thread only."""
    reading, writing = socket.socketpair()
    reading.setblocking(False)
    writing.setblocking(False)
    before = {number: signal.signal(number, _nothing) for number in numbers}
    descriptor = signal.set_wakeup_fd(writing.fileno(), warn_on_full_buffer=False)
    try:
        yield Signals(reading)
    finally:
        signal.set_wakeup_fd(descriptor)
        for number, handler in before.items():
            signal.signal(number, handler)
        reading.close()
        writing.close()


def ends_with_parent(number: signal.Signals = signal.SIGTERM) -> Callable[[], None]:
    """For a new child to call before its program: this signal when this process dies, however."""
    prctl, parent = ctypes.CDLL(None, use_errno=True).prctl, os.getpid()

    def in_child() -> None:
        if prctl(_PR_SET_PDEATHSIG, number) != 0 or os.getppid() != parent:
            os._exit(1)  # the parent died before the kernel was told

    return in_child


def _nothing(*_: object) -> None:
    return
