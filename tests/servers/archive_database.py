"""A database of the run's real ClickHouse, of its own for each test."""

import itertools
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

from clickhouse_driver import Client

from infra.backup.tables.server import Target, connected
from streams.settings import Settings
from streams.stages.archive.inserts import Inserts
from tests.infra.clickhouse_contract import blocks
from tests.servers.conftest import RunningClickHouse
from tests.streams.records import FakeRecord

_numbers = itertools.count()


class OnServer:
    """A database that the archive stage's own inserts fill."""

    def __init__(self, clickhouse: RunningClickHouse, name: str) -> None:
        self._server, self.name = clickhouse, name
        self.now_ms = int(time.time() * 1000)
        self.settings = Settings(
            clickhouse=clickhouse.address,
            clickhouse_user="default",
            clickhouse_password="",
            clickhouse_database=name,
        )
        self._inserts = Inserts(self.settings)

    def execute(self, sql: str) -> Sequence[Sequence[object]]:
        with Client(self._server.host, self._server.port, database=self.name) as client:
            return client.execute(sql)

    def target(self, *, with_disk: bool) -> AbstractContextManager[Target]:
        """As a backup sees it."""
        disk = self._server.home.data / "clickhouse"
        return connected(self.settings, self._server.address, disk if with_disk else None)

    def archive(self, batch: Sequence[FakeRecord], region: str = "east") -> None:
        for block in blocks(batch, region):
            self._inserts.insert(block)


@contextmanager
def a_database(clickhouse: RunningClickHouse) -> Iterator[OnServer]:
    """Empty, without tables; dropped behind the test."""
    name = f"test_{next(_numbers)}"
    with Client(clickhouse.host, clickhouse.port) as client:
        client.execute(f"CREATE DATABASE {name}")
    try:
        yield OnServer(clickhouse, name)
    finally:
        with Client(clickhouse.host, clickhouse.port) as client:
            client.execute(f"DROP DATABASE IF EXISTS {name}")
