"""The archive as the commands ask it: is ClickHouse there, and how many rows it holds.

Read only. Called by `status` and the demo.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from clickhouse_driver import Client
from clickhouse_driver.errors import Error as ClickHouseError

from streams.settings import Settings

# The driver logs each failed attempt to connect with its traceback; the answer is enough.
logging.getLogger("clickhouse_driver.connection").setLevel(logging.CRITICAL)

_CONNECT_S = 3
_ANSWER_S = 30


def answers(settings: Settings) -> bool:
    """Whether it answers a query in the archive's database."""
    try:
        with _connected(settings) as client:
            return bool(client.execute("SELECT 1") == [(1,)])
    except (ClickHouseError, OSError, ValueError, EOFError):
        return False


def rows(settings: Settings) -> dict[str, int]:
    """Rows of each table that has any, replaced ones not counted. Raises ClickHouse's errors."""
    with _connected(settings) as client:
        tables = client.execute(
            "SELECT name FROM system.tables WHERE database = %(database)s"
            " AND engine LIKE '%%MergeTree' AND name != 'schema_migrations' ORDER BY name",
            {"database": settings.clickhouse_database},
        )
        found = {
            str(name): int(client.execute(f"SELECT count() FROM {name} FINAL")[0][0])  # noqa: S608
            for (name,) in tables
        }
    return {name: count for name, count in found.items() if count}


@contextmanager
def _connected(settings: Settings) -> Iterator[Client]:
    host, _, port = settings.clickhouse.rpartition(":")
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
