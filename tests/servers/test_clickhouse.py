"""The archive's tables and views on Debian's ClickHouse, filled as the archive stage fills them."""

from collections.abc import Iterator

import pytest

from infra.clickhouse import migrate
from tests.infra.clickhouse_contract import ArchiveContract
from tests.servers.archive_database import OnServer, a_database


class TestOnDebiansClickHouse(ArchiveContract):
    @pytest.fixture
    def empty(self, clickhouse) -> Iterator[OnServer]:
        with a_database(clickhouse) as database:
            yield database

    @pytest.fixture
    def other_empty(self, clickhouse) -> Iterator[OnServer]:
        with a_database(clickhouse) as database:
            yield database

    def test_an_old_server_gets_what_it_can_take(self, empty) -> None:
        assert migrate.apply(empty.execute) == [
            "0001_tables.sql",
            "0003_views.sql",
            "0004_valid.sql",
            "0005_disk.sql",
        ]


def test_migrate_makes_the_database_and_says_what_it_did(clickhouse) -> None:
    with a_database(clickhouse) as database:
        database.execute(f"DROP DATABASE {database.name}")
        assert migrate.migrate(clickhouse.address, "default", "", database.name)
        assert migrate.migrate(clickhouse.address, "default", "", database.name) == []
        assert "user_events" in [name for (name,) in database.execute("SHOW TABLES")]


def test_a_wrong_password_is_one_sentence(clickhouse) -> None:
    with pytest.raises(migrate.MigrationError) as failed:
        migrate.migrate(clickhouse.address, "default", "wrong", "tidemill")
    assert "password" in str(failed.value)
    assert "Stack trace" not in str(failed.value)
