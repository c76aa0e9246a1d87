"""What holds for every test."""

import os
import signal
from collections.abc import Sequence

import pytest
from hypothesis import settings

# A slow machine is no finding, and what one run has found should not decide what another looks at.
settings.register_profile("tidemill", deadline=None, database=None)
settings.load_profile("tidemill")

# Before anything imports torch; what tests start inherits it. Several processes of pytest share the
# cores, and threads of torch that share small tensors then mostly wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")

_SLOW_FIRST = ("drills", "benchmarks", "servers")
"""Folders whose files take minutes: the processes that run the tests end together that way."""


def pytest_configure() -> None:
    """A shell's background jobs ignore Ctrl-C, and would pass that on to what the tests start."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: _place(item.path.parts))


def _place(parts: Sequence[str]) -> int:
    return next((at for at, name in enumerate(_SLOW_FIRST) if name in parts), len(_SLOW_FIRST))
