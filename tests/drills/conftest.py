"""One set of brokers for all the short drills of a run, apart from those of the other tests."""

import signal
from collections.abc import Iterator

import pytest

from tests.drills.harness.scene import Ground
from tests.drills.harness.scene import ground as a_ground


@pytest.fixture(scope="session")
def ground() -> Iterator[Ground]:
    # A cancelled job is told by SIGTERM; as an interrupt it ends through here, too.
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    with a_ground() as made:
        yield made
    signal.signal(signal.SIGTERM, before)
