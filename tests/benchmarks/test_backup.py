"""A backup at its smallest; the figures are not judged here."""

import msgspec
import pytest

from infra.local.settings import LocalSettings
from tests.benchmarks import backup


@pytest.mark.usefixtures("one_broker")
def test_a_backup_is_measured() -> None:
    told: list[str] = []
    options = backup.Options(users=(300,), partitions=2, flush_s=0.5, encrypted="yes")
    document = backup.run(options, LocalSettings(), told.append)
    assert document == msgspec.json.decode(msgspec.json.encode(document))
    (row,) = document["users"]
    assert (row["users"], row["sent_again"]) == (300, 0)
    for name in ("create_s", "verify_s", "restore_sent_s", "restore_joined_s", "backup_mb"):
        assert row[name] > 0
    assert row["restore_joined_s"] >= row["restore_sent_s"]
    assert set(backup.tables(document)) == {"users"}
    assert len(told) == 5
