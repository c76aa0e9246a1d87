"""A ClickHouse with the archive's tables, of one drill alone."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from clickhouse_driver import Client
from clickhouse_driver.errors import Error

from infra.clickhouse import migrate
from infra.local import clickhouse, ports, supervisor
from infra.local.home import Home
from infra.local.supervisor import Server
from tests.drills.harness.scene import Ground


@dataclass
class OwnClickHouse:
    home: Home
    described: clickhouse.ClickHouse
    server: Server

    @property
    def address(self) -> str:
        return self.described.address

    @property
    def database(self) -> str:
        return self.described.database

    def start(self) -> None:
        supervisor.start(self.home, [self.server])

    def stop(self) -> None:
        supervisor.stop(self.home.run, [self.server.name])

    def execute(self, sql: str) -> Sequence[Sequence[object]]:
        with Client(ports.HOST, self.described.port, database=self.database) as client:
            found: Sequence[Sequence[object]] = client.execute(sql)
            return found

    def rows(self) -> int:
        """0 while it does not answer."""
        with suppress(Error, OSError, EOFError):
            ((count,),) = self.execute("SELECT count() FROM user_events")
            assert isinstance(count, int)
            return count
        return 0


@contextmanager
def own_clickhouse(ground: Ground) -> Iterator[OwnClickHouse]:
    """An empty one, of this drill alone."""
    port = ports.free_port()
    described = clickhouse.ClickHouse(port, ports.free_port(frozenset((port,))))
    home = Home(ground.home.root / f"clickhouse-{ground.scenes}", ground.home.tools)
    made = OwnClickHouse(home, described, clickhouse.server(home, described))
    made.start()
    try:
        migrate.apply(made.execute)
        yield made
    finally:
        made.stop()
