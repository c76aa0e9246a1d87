"""A current ClickHouse, which chdb runs in this process, as the tests of the archive use it."""

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import chdb.session
import pyarrow.ipc

from infra.backup.tables.server import Target
from streams.stages.archive.tables import TABLES, columns
from tests.infra.clickhouse_contract import blocks
from tests.streams.records import FakeRecord


class InProcess:
    """A database of chdb."""

    def __init__(self, session: chdb.session.Session, name: str, disk: Path | None = None) -> None:
        self._session, self.database, self._disk = session, name, disk
        self.now_ms = int(time.time() * 1000)

    def execute(self, sql: str) -> Sequence[Sequence[object]]:
        self._session.query(f"USE {self.database}")
        answer = self._session.query(sql, "JSONCompact").bytes()
        return json.loads(answer)["data"] if answer else []

    def archive(self, batch: Sequence[FakeRecord], region: str = "east") -> None:
        for block in blocks(batch, region):
            self.insert(TABLES[block.kind], columns(block.kind), block.rows)

    @contextmanager
    def target(self, *, with_disk: bool) -> Iterator[Target]:
        """As a backup sees it."""
        yield Target(self, self._disk if with_disk else None)

    # What infra.backup.tables asks of a server.
    version = (26, 9)

    def ask(self, sql: str) -> Sequence[Sequence[object]]:
        return self.execute(sql)

    def read(self, sql: str) -> Iterator[Sequence[Any]]:
        self._session.query(f"USE {self.database}")
        settings = "SETTINGS output_format_arrow_string_as_string = 0"
        answer = self._session.query(f"{sql} {settings}", "ArrowStream").bytes()
        if not answer:
            return
        for batch in pyarrow.ipc.open_stream(answer):
            yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)

    def insert(self, table: str, names: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        if rows:
            values = ", ".join(f"({', '.join(map(literal, row))})" for row in rows)
            self.execute(f"INSERT INTO {table} ({', '.join(names)}) VALUES {values}")


def literal(value: object) -> str:
    """As SQL; text as its bytes, so that nothing needs quoting."""
    if value is None:
        return "NULL"
    if isinstance(value, str | bytes):
        content = value.encode() if isinstance(value, str) else value
        return f"unhex('{content.hex()}')"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(literal, value))}]"
    return repr(int(value)) if isinstance(value, bool) else repr(value)
