"""The archive's tables and views on a current ClickHouse, which chdb runs in this process."""

import json
import time
from collections.abc import Iterator, Sequence

import chdb.session
import pytest

from infra.clickhouse import migrate
from streams.stages.archive.tables import TABLES, columns
from tests.infra.clickhouse_contract import ArchiveContract, blocks
from tests.streams.records import FakeRecord


class InProcess:
    """A database of chdb."""

    def __init__(self, session: chdb.session.Session, name: str) -> None:
        self._session, self._name = session, name
        self.now_ms = int(time.time() * 1000)

    def execute(self, sql: str) -> Sequence[Sequence[object]]:
        self._session.query(f"USE {self._name}")
        answer = self._session.query(sql, "JSONCompact").bytes()
        return json.loads(answer)["data"] if answer else []

    def archive(self, batch: Sequence[FakeRecord], region: str = "east") -> None:
        for block in blocks(batch, region):
            rows = ", ".join(f"({', '.join(map(literal, row))})" for row in block.rows)
            names = ", ".join(columns(block.kind))
            self.execute(f"INSERT INTO {TABLES[block.kind]} ({names}) VALUES {rows}")


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


@pytest.fixture(scope="module")
def session() -> Iterator[chdb.session.Session]:
    with chdb.session.Session() as session:
        yield session


class TestOnCurrentClickHouse(ArchiveContract):
    @pytest.fixture
    def empty(self, session) -> Iterator[InProcess]:
        session.query("CREATE DATABASE one")
        yield InProcess(session, "one")
        session.query("DROP DATABASE one")

    @pytest.fixture
    def other_empty(self, session) -> Iterator[InProcess]:
        session.query("CREATE DATABASE other")
        yield InProcess(session, "other")
        session.query("DROP DATABASE other")

    def test_a_current_server_gets_every_migration(self, empty) -> None:
        assert migrate.apply(empty.execute) == [
            "0001_tables.sql",
            "0002_current_servers.sql",
            "0003_views.sql",
            "0004_valid.sql",
        ]

    def test_rows_expire_and_words_are_stored_once(self, empty) -> None:
        migrate.apply(empty.execute)
        ((created,),) = empty.execute("SHOW CREATE TABLE user_events")
        assert "TTL appended_at + toIntervalDay(400)" in str(created)
        assert "`kind` LowCardinality(String)" in str(created)

    def test_an_upgraded_server_gets_what_it_could_not_take_before(self, empty) -> None:
        old = _says(empty.execute, "18.16.1")
        assert migrate.apply(old) == ["0001_tables.sql", "0003_views.sql", "0004_valid.sql"]
        empty.archive([])
        assert migrate.apply(empty.execute) == ["0002_current_servers.sql"]


def _says(execute: migrate.Execute, version: str) -> migrate.Execute:
    return lambda sql: [[version]] if sql == "SELECT version()" else execute(sql)
