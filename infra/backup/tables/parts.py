"""Which partitions the archive's tables have, and what tells one content from another.

A partition (a day of a growing table, the whole of a small one) is what a backup holds and what an
incremental one leaves out where nothing changed. Its fingerprint is made of its rows' ids and
versions as FINAL shows them, so neither a merge nor a row that was delivered twice changes it.
"""

from typing import NamedTuple

from infra.backup.tables.server import Server
from streams.stages.archive.tables import TABLES

SCRATCH = "backup_scratch"
"""A table that a restore fills and drops."""


class Table(NamedTuple):
    """`columns`: those that no default makes of others; `ids`: what replaces a row."""

    name: str
    columns: list[str]
    ids: list[str]

    @property
    def selected(self) -> str:
        return ", ".join(self.columns)


class Part(NamedTuple):
    table: Table
    partition: str
    """ClickHouse's id of the partition."""

    @property
    def where(self) -> str:
        """A part's name begins with its partition's id; old servers and new ones read no other."""
        return f"startsWith(_part, '{self.partition}_')"


class Content(NamedTuple):
    rows: int
    fingerprint: str


def tables(server: Server) -> dict[str, Table]:
    """Those of the archive that are there."""
    keys = server.ask(
        "SELECT name, sorting_key FROM system.tables"
        " WHERE database = currentDatabase() AND engine LIKE '%MergeTree'"
    )
    columns: dict[str, list[str]] = {}
    for name, column in server.ask(
        "SELECT table, name FROM system.columns WHERE database = currentDatabase()"
        " AND default_kind = ''"
    ):
        columns.setdefault(str(name), []).append(str(column))
    archived = set(TABLES.values())
    found = {}
    for name, key in sorted((str(name), str(key)) for name, key in keys):
        if name not in archived:
            continue
        ids = [one.strip() for one in key.split(",")]
        version = ["row_version"] if "row_version" in columns[name] else []
        found[name] = Table(name, columns[name], [*ids, *version])
    return found


def parts(server: Server) -> list[Part]:
    known = tables(server)
    rows = server.ask(
        "SELECT DISTINCT table, partition_id FROM system.parts"
        " WHERE active AND rows > 0 AND database = currentDatabase()"
    )
    named = sorted((str(name), str(partition)) for name, partition in rows)
    return [Part(known[name], partition) for name, partition in named if name in known]


def content(server: Server, part: Part) -> Content:
    """What a reader with FINAL sees of it."""
    ids = ", ".join(part.table.ids)
    ((rows, hashed),) = server.ask(
        f"SELECT toUInt64(count()), lower(hex(groupBitXor(cityHash64({ids}))))"  # noqa: S608
        f" FROM {part.table.name} FINAL WHERE {part.where}"
    )
    return Content(int(rows), str(hashed).rjust(16, "0"))
