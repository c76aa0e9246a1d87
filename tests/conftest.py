"""What holds for every test."""

import signal


def pytest_configure() -> None:
    """A shell's background jobs ignore Ctrl-C, and would pass that on to what the tests start."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
