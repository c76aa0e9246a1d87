"""Which of several ClickHouses is read, and which worker fills which."""

import pytest
from pydantic import ValidationError

from infra import workers
from infra.backup.problems import BackupError
from infra.backup.settings import BackupSettings
from infra.local.choosing import choose
from infra.local.settings import LocalSettings
from infra.replicas import Replica, chosen, to_read
from streams.settings import Settings, settings_sentence
from streams.topology import ARCHIVE

FIRST, SECOND = "127.0.0.1:9000", "127.0.0.1:9010"


def one(url: str, behind: int | None, *, ready: bool = True) -> Replica:
    return Replica(url=url, ready=ready, behind=behind)


@pytest.mark.parametrize(
    ("found", "url"),
    [
        ([one(FIRST, 0), one(SECOND, 0)], FIRST),
        ([one(FIRST, 900), one(SECOND, 0)], FIRST),
        ([one(FIRST, 1_000_000), one(SECOND, 0)], SECOND),
        ([one(FIRST, 2_000_000), one(SECOND, 1_995_000)], FIRST),
        ([one(FIRST, None, ready=False), one(SECOND, 5_000_000)], SECOND),
        ([one(FIRST, None), one(SECOND, 0)], SECOND),
        ([one(FIRST, None), one(SECOND, None)], FIRST),
        ([one(FIRST, None, ready=False), one(SECOND, None)], SECOND),
        ([one(FIRST, None, ready=False), one(SECOND, None, ready=False)], FIRST),
    ],
)
def test_the_first_that_answers_and_is_not_behind_is_read(found: list[Replica], url: str) -> None:
    assert chosen(found).url == url


def test_the_only_one_is_read_whether_it_answers_or_not() -> None:
    assert to_read(Settings(clickhouse="127.0.0.1:1", kafka="127.0.0.1:1")) == "127.0.0.1:1"


def test_each_has_a_worker_and_a_group_of_its_own() -> None:
    assert [*workers.names(1, 2)] == ["recommend-1", "archive", "archive-2", "catalogue"]
    assert workers.stage_of("archive-2") == "archive"
    assert [workers.replica_of(name) for name in ("archive", "archive-2")] == [1, 2]
    assert ARCHIVE.group_of(1) == "tidemill-archive"
    assert ARCHIVE.group_of(2) == "tidemill-archive-2"
    both = Settings(clickhouse=f"{FIRST}, {SECOND}", archive_replica=2)
    assert both.filled_clickhouse == SECOND


def test_an_address_that_is_none_and_a_replica_that_is_not_there_are_named() -> None:
    with pytest.raises(ValidationError) as wrong:
        Settings(clickhouse=f"{FIRST},nowhere")
    assert "TIDEMILL_CLICKHOUSE: " in settings_sentence(wrong.value)
    assert "nowhere is no host:port" in settings_sentence(wrong.value)
    with pytest.raises(ValidationError) as wrong:
        Settings(clickhouse=FIRST, archive_replica=2)
    assert "TIDEMILL_ARCHIVE_REPLICA" in settings_sentence(wrong.value)


def test_further_ones_get_ports_beside_the_first_and_keep_free_ones() -> None:
    fixed = choose(LocalSettings(clickhouse_replicas=2), None)
    assert fixed.clickhouses == (FIRST, SECOND)
    assert [*fixed.all_clickhouses] == ["clickhouse", "clickhouse-2"]
    assert fixed.environment()["TIDEMILL_CLICKHOUSE"] == f"{FIRST},{SECOND}"
    free = LocalSettings(clickhouse_replicas=2, clickhouse_port=0, clickhouse_http_port=0)
    before = choose(free, None)
    assert (
        len({p for ports in before.all_clickhouses.values() for p in (ports.native, ports.http)})
        == 4
    )
    assert choose(free, before).clickhouses == before.clickhouses


def test_disks_are_named_in_the_order_of_the_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDEMILL_CLICKHOUSE_DISK", "/data/one,/data/two")
    disks = BackupSettings().disks((FIRST, SECOND))
    assert {url: str(path) for url, path in disks.items()} == {
        FIRST: "/data/one", SECOND: "/data/two",
    }  # fmt: skip
    with pytest.raises(BackupError, match="names 2 data folders, and there are 1"):
        BackupSettings().disks((FIRST,))
    monkeypatch.delenv("TIDEMILL_CLICKHOUSE_DISK")
    assert BackupSettings().disks((FIRST, SECOND)) == {}
