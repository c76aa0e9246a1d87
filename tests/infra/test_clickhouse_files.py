"""Migration files as data: names, order, statements, and what a wrong one says."""

import pytest

from infra.clickhouse import files, migrate


def test_the_repository_s_own_files_are_numbered_in_order() -> None:
    numbers = [migration.number for migration in files.migrations()]
    assert numbers == list(range(1, len(numbers) + 1))
    assert all(migration.statements for migration in files.migrations())


def test_comments_are_no_statements_and_semicolons_end_lines() -> None:
    parsed = files.parse("0007_new.sql", "-- requires: 21.8\n-- why; so\nSELECT 1;\nSELECT\n2;\n")
    assert parsed.statements == ("SELECT 1", "SELECT\n2")
    assert parsed.requires == (21, 8)


@pytest.mark.parametrize(
    ("name", "sql", "says"),
    [
        ("new.sql", "SELECT 1;", "not named like a migration"),
        ("0001_new.sql", "-- nothing\n", "holds no statement"),
    ],
)
def test_what_is_no_migration_is_refused(name, sql, says) -> None:
    with pytest.raises(ValueError, match=says):
        files.parse(name, sql)


def test_two_files_of_one_number_are_refused(tmp_path) -> None:
    for name in ("0001_one.sql", "0001_two.sql"):
        (tmp_path / name).write_text("SELECT 1;")
    with pytest.raises(ValueError, match="have one number"):
        files.migrations(tmp_path)


@pytest.mark.parametrize(
    ("address", "database", "says"),
    [
        ("localhost", "tidemill", "host:port"),
        ("localhost:native", "tidemill", "host:port"),
        ("localhost:9000", "tide mill; DROP", "cannot be the name"),
        ("127.0.0.1:1", "tidemill", "ClickHouse at 127.0.0.1:1 did not migrate"),
    ],
)
def test_a_wrong_call_is_one_sentence(address, database, says) -> None:
    with pytest.raises(migrate.MigrationError, match=says):
        migrate.migrate(address, "default", "", database)
