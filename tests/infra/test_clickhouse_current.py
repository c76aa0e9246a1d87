"""The archive's tables and views on a current ClickHouse, which chdb runs in this process."""

from collections.abc import Iterator

import chdb.session
import pytest

from infra.clickhouse import migrate
from tests.infra.clickhouse_contract import ArchiveContract
from tests.infra.current_clickhouse import InProcess


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
            "0005_disk.sql",
        ]

    def test_rows_expire_and_words_are_stored_once(self, empty) -> None:
        migrate.apply(empty.execute)
        ((created,),) = empty.execute("SHOW CREATE TABLE user_events")
        assert "TTL appended_at + toIntervalDay(400)" in str(created)
        assert "`kind` LowCardinality(String)" in str(created)

    def test_an_upgraded_server_gets_what_it_could_not_take_before(self, empty) -> None:
        old = _says(empty.execute, "18.16.1")
        assert migrate.apply(old) == [
            "0001_tables.sql",
            "0003_views.sql",
            "0004_valid.sql",
            "0005_disk.sql",
        ]
        empty.archive([])
        assert migrate.apply(empty.execute) == ["0002_current_servers.sql"]


def _says(execute: migrate.Execute, version: str) -> migrate.Execute:
    return lambda sql: [[version]] if sql == "SELECT version()" else execute(sql)
