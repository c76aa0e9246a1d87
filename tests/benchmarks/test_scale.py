"""Workers and users at their smallest; the figures are not judged here.

The part `partitions` is a run of `latency` on other topics, which test_latency.py has.
"""

import msgspec
import pytest

from infra.local.settings import LocalSettings
from tests.benchmarks import scale

SMALLEST = scale.Options(
    parts=("workers", "users"),
    workers=(1,),
    events=500_000,  # a worker answers a hundred thousand before its last partition is open
    users=(100,),
    drained=5_000,  # CPU time is told in steps of 10 ms
    flush_s=0.5,
    runs=1,
)


@pytest.mark.usefixtures("one_broker")
def test_workers_and_users_are_measured() -> None:
    told: list[str] = []
    document = scale.run(SMALLEST, LocalSettings(), told.append)
    assert document == msgspec.json.decode(msgspec.json.encode(document))
    (workers,) = document["workers"]
    assert workers["workers"] == 1
    assert 0 < workers["events_measured"] <= SMALLEST.events
    assert workers["cpu_us_per_event"] > 0
    (users,) = document["users"]
    assert users["users"] == users["hot_users"] == 100
    for name in ("restore_local_s", "restore_changelog_s", "disk_mb", "changelog_mb"):
        assert users[name] > 0
    for state in ("cold", "hot"):
        assert users[f"{state}_cpu_us_per_event"] > 0
        assert users[f"{state}_states_written_per_event"] > 0
    assert document["bars"] == []
    assert set(scale.tables(document)) == {"workers", "users", "bars"}
    assert len(told) >= 3
