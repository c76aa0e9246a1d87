"""What a backup asks of a ClickHouse server, by its native protocol.

Text comes and goes as bytes: keys and values of dead letters are whatever their producer wrote.
Every failure is an ArchiveError. Called by everything in this package.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from clickhouse_driver import Client
from clickhouse_driver.errors import Error as ClickHouseError

from infra.backup.problems import ArchiveError
from infra.clickhouse.files import ServerVersion, server_version
from streams.settings import Settings

# The driver logs each failed attempt to connect with its traceback; the sentence is enough.
logging.getLogger("clickhouse_driver.connection").setLevel(logging.CRITICAL)

_CONNECT_S = 5
_ANSWER_S = 300
"""Between two packets of an answer; a FINAL of a large partition is silent for a while."""
_BLOCK_ROWS = 8_192
Row = Sequence[Any]


class Server(Protocol):
    """A database with the archive's tables."""

    @property
    def database(self) -> str: ...

    @property
    def version(self) -> ServerVersion: ...

    def ask(self, sql: str) -> Sequence[Row]:
        """A small answer; text as str."""
        ...

    def read(self, sql: str) -> Iterator[Row]:
        """Rows as they come; text as bytes."""
        ...

    def insert(self, table: str, columns: Sequence[str], rows: Sequence[Row]) -> None:
        """Returns when the server has them; text as bytes."""
        ...


class Target(NamedTuple):
    """What a backup is made of, or brought back into; `disk`: the server's data folder as it is
    seen from here, where it is.
    """

    server: Server
    disk: Path | None = None


class NativeServer:
    """A real one."""

    def __init__(self, connect: Callable[[], Client], address: str, database: str) -> None:
        self._connect, self._client = connect, connect()
        self._address, self.database = address, database
        self.version = server_version(str(self.ask("SELECT version()")[0][0]))

    def ask(self, sql: str) -> Sequence[Row]:
        with self._told():
            answer = self._client.execute(sql)
        return [[_text(cell) for cell in row] for row in answer] if answer else []

    def read(self, sql: str) -> Iterator[Row]:
        """By a connection of its own: others may be asked before the last row is there."""
        client = self._connect()
        try:
            with self._told():
                yield from client.execute_iter(sql, settings={"max_block_size": _BLOCK_ROWS})
        finally:
            client.disconnect()

    def insert(self, table: str, columns: Sequence[str], rows: Sequence[Row]) -> None:
        if not rows:
            return
        with self._told():
            self._client.execute(f"INSERT INTO {table} ({', '.join(columns)}) VALUES", list(rows))

    def close(self) -> None:
        self._client.disconnect()

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except (ClickHouseError, OSError, EOFError) as error:
            reason = str(error).partition("Stack trace")[0].strip().replace("\n", " ")
            raise ArchiveError(f"ClickHouse at {self._address}: {reason}") from error


@contextmanager
def connected(settings: Settings, address: str, disk: Path | None = None) -> Iterator[Target]:
    """Raises ArchiveError where it does not answer."""
    host, _, port = address.rpartition(":")
    connect = partial(
        Client,
        host,
        int(port),
        user=settings.clickhouse_user,
        password=settings.clickhouse_password.get_secret_value(),
        database=settings.clickhouse_database,
        connect_timeout=_CONNECT_S,
        send_receive_timeout=_ANSWER_S,
        client_name="tidemill-backup",
        settings={"strings_as_bytes": True},
    )
    server = NativeServer(connect, address, settings.clickhouse_database)
    try:
        yield Target(server, disk)
    finally:
        server.close()


def _text(cell: Any) -> Any:
    if isinstance(cell, bytes):
        return cell.decode(errors="replace")
    if isinstance(cell, list | tuple):
        return [_text(one) for one in cell]
    return cell
