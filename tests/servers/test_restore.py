"""A worker that starts again has every state, from whatever is left: its disk, the changelog, or
nothing but the input.
"""

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from urllib.request import urlopen

import pytest

from infra.local.ports import HOST, free_port
from schemas.topics import STATE_CHANGELOG, USER_EVENTS
from tests.servers.conftest import RunningKafka
from tests.servers.states import (
    check_slates,
    flushed,
    folded,
    in_changelog,
    in_stores,
    make_again,
    processed,
    put,
    send,
    stock,
)
from tests.servers.workers import Worker, event, own

Start = Callable[..., Worker]


@pytest.fixture
def shop(fresh_kafka: RunningKafka) -> str:
    own(fresh_kafka.bootstrap)
    stock(fresh_kafka.bootstrap)
    return fresh_kafka.bootstrap


@pytest.fixture
def keeping(start_worker: Start, tmp_path: Path) -> Start:
    """Starts workers that keep their states in one place, and are soon known to be dead."""

    def start(**settings: object) -> Worker:
        given = {"state_dir": tmp_path / "state", "flush_s": 0.5, "session_timeout_ms": 2_500}
        return start_worker(**(given | settings))

    return start


def read_from_changelog(worker: Worker) -> int:
    """Records, over all partitions."""
    found = re.findall(r"(\d+) records of the changelog", worker.log.read_text())
    return sum(map(int, found))


@pytest.mark.parametrize("left", ["the disk", "the changelog", "the input"])
def test_a_killed_worker_comes_back_with_every_state(
    left: str, shop: str, keeping: Start, tmp_path: Path
) -> None:
    worker = keeping()
    send(shop, 1_200, seed=1)
    flushed(shop)
    worker.kill()
    kept = in_changelog(shop)
    assert kept == folded(shop)
    send(shop, 200, seed=2)  # folded behind the marker
    if left == "the changelog":
        shutil.rmtree(tmp_path / "state")
    elif left == "the input":
        make_again(shop, STATE_CHANGELOG.name)
    worker = keeping()
    check_slates(shop, folded(shop), "back")
    flushed(shop)
    worker.stop()
    assert in_changelog(shop) == folded(shop)
    assert in_stores(shop, tmp_path / "state") == folded(shop)
    read = read_from_changelog(worker)
    if left == "the disk":
        assert read < len(kept), "what is on the disk is not read again"
    elif left == "the changelog":
        assert read >= len(kept)
    else:
        assert read == 0
        assert "belongs to a changelog that was deleted since" in worker.log.read_text()


def test_a_worker_that_stops_in_good_order_leaves_nothing_to_fold(
    shop: str, keeping: Start, tmp_path: Path
) -> None:
    worker = keeping(flush_s=1_000)
    send(shop, 400, seed=1)
    processed(shop)
    assert not in_changelog(shop)
    worker.stop()
    flushed(shop)
    assert in_changelog(shop) == folded(shop)
    assert in_stores(shop, tmp_path / "state") == folded(shop)


def test_memory_is_bounded_and_who_was_let_go_is_not_lost(shop: str, keeping: Start) -> None:
    """1 MB for 6,000 users: half of them have to be let go, dirty as they are."""
    users = [f"guest-{number}" for number in range(6_000)]
    port = free_port()
    worker = keeping(hot_mb=1, batch_records=100, flush_s=2, metrics_port=port)
    for round_ in range(2):
        events = [(user, event(f"e-{round_}", user, item_id=f"i{round_}")) for user in users]
        put(shop, USER_EVENTS.name, events)
    flushed(shop)
    metrics = urlopen(f"http://{HOST}:{port}/metrics").read().decode()
    hot = sum(float(n) for n in re.findall(r'tidemill_users\{in="hot".* (\S+)', metrics))
    assert 0 < hot < 4_200
    worker.kill()
    assert in_changelog(shop) == folded(shop)
