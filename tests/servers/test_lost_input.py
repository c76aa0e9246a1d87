"""The input is not what it was: removed by retention, or deleted and made again."""

from collections.abc import Callable
from pathlib import Path

import pytest

from schemas.topics import USER_EVENTS
from tests.servers.conftest import RunningKafka
from tests.servers.states import (
    USERS,
    answers,
    ask,
    check_slates,
    drop_records,
    flushed,
    folded,
    in_changelog,
    make_again,
    send,
    stock,
)
from tests.servers.workers import Worker, own, until

Start = Callable[..., Worker]


@pytest.fixture
def shop(fresh_kafka: RunningKafka) -> str:
    own(fresh_kafka.bootstrap)
    stock(fresh_kafka.bootstrap)
    return fresh_kafka.bootstrap


@pytest.fixture
def keeping(start_worker: Start, tmp_path: Path) -> Start:
    def start(**settings: object) -> Worker:
        given = {"state_dir": tmp_path / "state", "flush_s": 0.5, "session_timeout_ms": 2_500}
        return start_worker(**(given | settings))

    return start


def test_only_input_that_was_flushed_may_be_removed_by_retention(shop: str, keeping: Start) -> None:
    worker = keeping()
    send(shop, 400, seed=1)
    flushed(shop)
    worker.stop()
    known = folded(shop)
    drop_records(shop, USER_EVENTS.name)
    worker = keeping()
    check_slates(shop, folded(shop, onto=known), "flushed")
    flushed(shop)
    worker.stop()
    send(shop, 200, seed=2)
    drop_records(shop, USER_EVENTS.name)
    send(shop, 200, seed=3)
    worker = keeping()
    assert worker.wait() == 15
    said = worker.log.read_text()
    assert "were removed by retention before they were processed for good" in said
    assert "TIDEMILL_ACCEPT_LOST_INPUT=true" in said
    keeping(accept_lost_input=True)
    check_slates(shop, folded(shop, onto=known), "after")


def test_an_input_that_was_made_again_while_the_worker_was_stopped_is_folded_from_its_start(
    shop: str, keeping: Start
) -> None:
    worker = keeping()
    send(shop, 400, seed=1)
    flushed(shop)
    worker.stop()
    known = folded(shop)
    make_again(shop, USER_EVENTS.name)
    send(shop, 120, seed=2)
    ask(shop, "new")
    worker = keeping()
    expected = folded(shop, onto=known)
    until("the new asks are answered", lambda: _answered(shop, "new"))
    check_slates(shop, folded(shop, onto=known), "after")
    flushed(shop)
    worker.stop()
    assert in_changelog(shop) == expected


def test_an_input_that_is_made_again_while_the_worker_runs_is_folded_from_its_start(
    shop: str, keeping: Start
) -> None:
    """Also where it is longer soon than it was before, so that no offset goes back."""
    worker = keeping()
    send(shop, 400, seed=1)
    flushed(shop)
    known = folded(shop)
    make_again(shop, USER_EVENTS.name)
    send(shop, 1_200, seed=2)
    ask(shop, "new")
    assert worker.wait() == 13
    assert "was deleted" in worker.log.read_text()
    keeping()
    until("the new asks are answered", lambda: _answered(shop, "new"))
    check_slates(shop, folded(shop, onto=known), "after")


def _answered(shop: str, name: str) -> bool:
    wanted = {f"{name}-{user}" for user in USERS}
    return wanted <= {one.cause.event_id for one, _ in answers(shop)}
