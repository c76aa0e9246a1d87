"""One broker for the tests of several benchmarks, which each would start one of its own."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from infra.local.settings import LocalSettings
from streams.settings import Settings
from tests.benchmarks import servers
from tests.benchmarks.servers import Servers


@pytest.fixture(scope="session")
def shared() -> Iterator[Servers]:
    with servers.running(LocalSettings(), partitions=1) as found:
        yield found


@pytest.fixture
def one_broker(monkeypatch: pytest.MonkeyPatch, shared: Servers) -> None:
    """With topics of the benchmark's own."""

    @contextmanager
    def running(
        _: LocalSettings,
        partitions: int,
        *,
        with_triton: bool = False,
        as_shipped: bool = False,  # noqa: ARG001
    ) -> Iterator[Servers]:
        assert not with_triton
        anew = shared.anew(partitions)
        # What the test says of the environment holds here too.
        flush_s = Settings().flush_s
        yield replace(anew, settings=anew.settings.model_copy(update={"flush_s": flush_s}))

    monkeypatch.setattr(servers, "running", running)
