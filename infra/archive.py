"""A ClickHouse with the archive as the commands ask it: is it there, and how many rows it holds.

Read only. Called by `infra.replicas`, which knows which of several to ask, and the demo.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from clickhouse_driver import Client
from clickhouse_driver.errors import Error as ClickHouseError
from clickhouse_driver.errors import ServerException

from streams.settings import Settings
from streams.stages.archive.disk import ID_SQL
from streams.stages.archive.tables import TABLES

# The driver logs each failed attempt to connect with its traceback; the answer is enough.
logging.getLogger("clickhouse_driver.connection").setLevel(logging.CRITICAL)

_CONNECT_S = 3
_ANSWER_S = 30


def disk(settings: Settings, address: str) -> str | None:
    """The id of its disk; empty where its tables are not made yet, None where it does not answer a
    query in the archive's database.
    """
    try:
        with _connected(settings, address) as client:
            client.execute("SELECT 1")
            try:
                return str(client.execute(ID_SQL)[0][0])
            except ServerException:
                return ""
    except (ClickHouseError, OSError, ValueError, EOFError):
        return None


def rows(settings: Settings, address: str) -> dict[str, int]:
    """Rows of each table that has any, replaced ones not counted. Raises ClickHouse's errors."""
    with _connected(settings, address) as client:
        tables = client.execute(
            "SELECT name FROM system.tables WHERE database = %(database)s"
            " AND engine LIKE '%%MergeTree' ORDER BY name",
            {"database": settings.clickhouse_database},
        )
        found = {
            str(name): int(client.execute(f"SELECT count() FROM {name} FINAL")[0][0])  # noqa: S608
            for (name,) in tables
            if name in TABLES.values()
        }
    return {name: count for name, count in found.items() if count}


@contextmanager
def _connected(settings: Settings, address: str) -> Iterator[Client]:
    host, _, port = address.rpartition(":")
    client = Client(
        host,
        int(port),
        user=settings.clickhouse_user,
        password=settings.clickhouse_password.get_secret_value(),
        database=settings.clickhouse_database,
        connect_timeout=_CONNECT_S,
        send_receive_timeout=_ANSWER_S,
    )
    try:
        yield client
    finally:
        client.disconnect()
