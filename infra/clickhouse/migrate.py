"""Bring a ClickHouse database to the newest tables and views. Safe to repeat.

Every statement of a migration may run again, and the record that it is applied is written behind
the last of them. So whoever is killed between any two statements leaves a database on which the
next run starts that migration anew, and two runs at a time do the same twice. Data is never
dropped here. `tidemill up` and deployments call `migrate` before the workers start.
"""

import logging
import re
from collections.abc import Callable, Sequence

from clickhouse_driver import Client
from clickhouse_driver.errors import Error as ClickHouseError

from infra.clickhouse.files import Migration, migrations, server_version

log = logging.getLogger(__name__)

Execute = Callable[[str], Sequence[Sequence[object]]]
"""Runs one statement and gives its rows."""

_JOURNAL = """
CREATE TABLE IF NOT EXISTS schema_migrations (
    number UInt32,
    name String,
    hash String,
    server String,
    applied_at DateTime('UTC') DEFAULT now()
) ENGINE = ReplacingMergeTree() ORDER BY number
"""
_DATABASE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_TIMEOUT_S = 60


class MigrationError(Exception):
    """The database cannot be brought to the newest form. The message says why and what to do."""


def migrate(address: str, user: str, password: str, database: str) -> list[str]:
    """Apply to the server at `address` (host:port, native protocol) what it lacks.

    The names of what was applied now. Raises MigrationError.
    """
    if not _DATABASE.fullmatch(database):
        raise MigrationError(f"{database!r} cannot be the name of a ClickHouse database")
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():
        raise MigrationError(f"{address!r} is not the address of a ClickHouse server, host:port")
    try:
        with _connected(host, int(port), user, password, "") as server:
            server.execute(f"CREATE DATABASE IF NOT EXISTS {database}")
        with _connected(host, int(port), user, password, database) as server:
            return apply(server.execute)
    except (ClickHouseError, OSError) as error:
        reason = str(error).partition("Stack trace")[0].strip()
        raise MigrationError(f"ClickHouse at {address} did not migrate: {reason}") from error


def apply(execute: Execute, known: Sequence[Migration] | None = None) -> list[str]:
    """Apply what the database behind `execute` lacks and its server understands, in order.

    Raises MigrationError where a file was changed after it was applied.
    """
    known = migrations() if known is None else known
    server = str(execute("SELECT version()")[0][0])
    execute(_JOURNAL)
    applied = {
        int(str(number)): str(hash_)
        for number, hash_ in execute("SELECT number, hash FROM schema_migrations FINAL")
    }
    done = []
    for migration in known:
        before = applied.get(migration.number)
        if before == migration.hash:
            continue
        if before is not None:
            raise MigrationError(
                f"{migration.name} was changed after it was applied here;"
                " restore it and put the change into a migration of its own"
            )
        if server_version(server) < migration.requires:
            log.info("%s waits for a newer server than %s", migration.name, server)
            continue
        for statement in migration.statements:
            execute(statement)
        execute(
            "INSERT INTO schema_migrations (number, name, hash, server)"
            f" SELECT {migration.number}, '{migration.name}', '{migration.hash}', '{server}'"
        )
        log.info("%s is applied", migration.name)
        done.append(migration.name)
    return done


def _connected(host: str, port: int, user: str, password: str, database: str) -> Client:
    return Client(
        host,
        port,
        user=user,
        password=password,
        database=database,
        connect_timeout=10,
        send_receive_timeout=_TIMEOUT_S,
    )
