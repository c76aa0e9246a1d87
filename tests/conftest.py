"""What holds for every test."""

import signal

from hypothesis import settings

# A slow machine is no finding, and what one run has found should not decide what another looks at.
settings.register_profile("tidemill", deadline=None, database=None)
settings.load_profile("tidemill")


def pytest_configure() -> None:
    """A shell's background jobs ignore Ctrl-C, and would pass that on to what the tests start."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
