"""One block of rows to ClickHouse, and what it means when that fails.

Blocking: called in a pool thread, one connection a thread. Either the server has all of the block
when `insert` returns, or AwayError says that the same block may be sent again (twice is harmless:
rows replace each other by their ids), or StageError names the record that ClickHouse will not
take however often it is sent.
"""

import contextlib
import logging
import threading
from collections.abc import Iterator, Sequence

from clickhouse_driver import Client
from clickhouse_driver import errors as clickhouse

from streams.lane.errors import StageError
from streams.settings import Settings
from streams.stages.archive.disk import ID_SQL, Disk
from streams.stages.archive.rows import Block
from streams.stages.archive.tables import TABLES, Row, columns

# The driver logs each failed attempt to connect with its traceback; the stage says it once.
logging.getLogger("clickhouse_driver.connection").setLevel(logging.ERROR)

_CONNECT_TIMEOUT_S = 5
_TIMEOUT_S = 30
"""For one answer. A block takes a tenth of a second; a server this late is as good as away."""

_Codes = clickhouse.ErrorCodes
_PASSING = {
    # It is busy, short of something or shutting down.
    _Codes.TIMEOUT_EXCEEDED, _Codes.TOO_SLOW, _Codes.TOO_MANY_SIMULTANEOUS_QUERIES,
    _Codes.NO_FREE_CONNECTION, _Codes.SOCKET_TIMEOUT, _Codes.NETWORK_ERROR, _Codes.ABORTED,
    _Codes.MEMORY_LIMIT_EXCEEDED, _Codes.TABLE_IS_READ_ONLY, _Codes.NOT_ENOUGH_SPACE,
    _Codes.TOO_MANY_PARTS, _Codes.CANNOT_ALLOCATE_MEMORY, _Codes.QUERY_WAS_CANCELLED,
    _Codes.NO_ZOOKEEPER, _Codes.KEEPER_EXCEPTION, _Codes.UNKNOWN_STATUS_OF_INSERT,
    _Codes.CANNOT_WRITE_TO_FILE_DESCRIPTOR, _Codes.POCO_EXCEPTION,
    # It was not migrated yet, or the password is being changed: an operator's next step.
    _Codes.UNKNOWN_DATABASE, _Codes.UNKNOWN_TABLE, _Codes.NO_SUCH_COLUMN_IN_TABLE,
    _Codes.DATABASE_ACCESS_DENIED, _Codes.UNKNOWN_USER, _Codes.WRONG_PASSWORD,
    _Codes.REQUIRED_PASSWORD, 516,  # AUTHENTICATION_FAILED of newer servers
}  # fmt: skip
"""Server errors that say nothing about the rows: the same block may succeed later."""
_BROKEN = (
    OSError, EOFError, clickhouse.NetworkError, clickhouse.SocketTimeoutError,
    clickhouse.UnexpectedPacketFromServerError, clickhouse.UnknownPacketFromServerError,
    clickhouse.PartiallyConsumedQueryError, clickhouse.ChecksumDoesntMatchError,
)  # fmt: skip
"""No connection, or a conversation that broke off."""
_TOO_MANY_DAYS = "Too many partitions"
"""Newer servers give TOO_MANY_PARTS this text for one block; sending it again would not help."""


class AwayError(Exception):
    """ClickHouse cannot take rows now. `kind` is the same for the same cause."""

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(detail)
        self.kind = kind


class _RefusedError(Exception):
    """ClickHouse, or its driver, does not take these rows."""


class Inserts:
    """Connections to one database, made when they are first needed."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        address = settings.filled_clickhouse
        host, _, port = address.rpartition(":")
        self._host, self._port = host, int(port)
        self._thread = threading.local()
        self.disk = Disk(address)

    def look(self) -> None:
        """At whose disk it is. Raises AwayError, OtherDiskError."""
        try:
            with self._told():
                ((found,),) = self._client().execute(ID_SQL)
        except _RefusedError as refused:
            raise AwayError("refused", str(refused)) from refused
        if not found:
            raise AwayError("no id", "its disk has no id; `tidemill up` makes what the tables lack")
        self.disk.found(str(found))

    def insert(self, block: Block) -> None:
        """Send a block and wait until the server has it. Raises AwayError, StageError and
        OtherDiskError.
        """
        self.look()
        try:
            self._send(block.kind, block.rows)
        except _RefusedError:
            self._find_refused(block)

    def _find_refused(self, block: Block) -> None:
        """Halve the block until one row is left that is refused; the rest goes in on the way."""
        rows, records = block.rows, block.records
        if len(rows) > 1:
            middle = len(rows) // 2
            self.insert(Block(block.kind, rows[:middle], records[:middle]))
            self.insert(Block(block.kind, rows[middle:], records[middle:]))
            return
        try:
            self._send(block.kind, rows)
        except _RefusedError as refused:
            record = records[0]
            raise StageError(
                f"ClickHouse refuses the row of {record.topic()}, partition {record.partition()},"
                f" offset {record.offset()}, in table {TABLES[block.kind]}: {refused};"
                " the archive stays there until its table or this release takes the row"
            ) from refused

    def _send(self, kind: type[Row], rows: Sequence[Row]) -> None:
        insert = f"INSERT INTO {TABLES[kind]} ({', '.join(columns(kind))}) VALUES"
        with self._told():
            self._client().execute(insert, list(zip(*rows, strict=True)), columnar=True)

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except clickhouse.ServerException as error:
            self._drop_connection()
            if error.code in _PASSING and _TOO_MANY_DAYS not in str(error):
                raise AwayError(f"code {error.code}", _first_line(error)) from error
            raise _RefusedError(_first_line(error)) from error
        except _BROKEN as error:
            self._drop_connection()
            raise AwayError("unreachable", _first_line(error)) from error
        except Exception as error:
            # The driver could not write the rows; half a block may be on the connection.
            self._drop_connection()
            raise _RefusedError(f"{type(error).__name__}: {_first_line(error)}") from error

    def _client(self) -> Client:
        client: Client | None = getattr(self._thread, "client", None)
        if client is None:
            client = self._thread.client = Client(
                self._host,
                self._port,
                user=self._settings.clickhouse_user,
                password=self._settings.clickhouse_password.get_secret_value(),
                database=self._settings.clickhouse_database,
                connect_timeout=_CONNECT_TIMEOUT_S,
                send_receive_timeout=_TIMEOUT_S,
                client_name="tidemill-archive",
            )
        return client

    def _drop_connection(self) -> None:
        client: Client | None = getattr(self._thread, "client", None)
        self._thread.client = None
        if client is not None:
            with contextlib.suppress(OSError, clickhouse.Error):
                client.disconnect()


def _first_line(error: BaseException) -> str:
    """Without the server's stack trace."""
    lines = str(error).partition("Stack trace")[0].split("\n")
    return " ".join(line.strip() for line in lines if line.strip())[:500]
