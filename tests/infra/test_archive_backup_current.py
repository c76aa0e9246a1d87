"""Backups of the archive on a current ClickHouse: its rows, and its own BACKUP and RESTORE."""

from collections.abc import Iterator
from pathlib import Path

import chdb.session
import pytest

from tests.infra.archive_backup_contract import ArchiveBackupContract
from tests.infra.current_clickhouse import InProcess


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("clickhouse")


@pytest.fixture(scope="module")
def session(disk: Path) -> Iterator[chdb.session.Session]:
    """Backups may go where ClickHouse's own configuration lets them."""
    config = disk / "config.xml"
    config.write_text(
        "<clickhouse><backups>"
        f"<allowed_path>{disk}/data/backups</allowed_path>"
        "</backups></clickhouse>"
    )
    with chdb.session.Session(f"{disk}/data?config-file={config}") as session:
        yield session


class TestOnCurrentClickHouse(ArchiveBackupContract):
    snapshot = "backup"

    @pytest.fixture
    def empty(self, session, disk) -> Iterator[InProcess]:
        session.query("CREATE DATABASE one")
        yield InProcess(session, "one", disk / "data")
        session.query("DROP DATABASE one")

    @pytest.fixture
    def other_empty(self, session, disk) -> Iterator[InProcess]:
        session.query("CREATE DATABASE other")
        yield InProcess(session, "other", disk / "data")
        session.query("DROP DATABASE other")
