"""Another format of user states, under load: readers first, then writers, and nothing is lost."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from schemas.state import FORMATS, USER_KEY_PREFIX
from tests.schemas.format_2 import FORMAT_2, SECOND
from tests.servers.conftest import RunningKafka
from tests.servers.states import (
    USERS,
    answers,
    changelog,
    check_slates,
    flushed,
    folded,
    in_changelog,
    processed,
    send,
    stock,
)
from tests.servers.workers import Worker, own, until

NEWER = ("tests/servers/newer_worker.py",)
Start = Callable[..., Worker]


@pytest.fixture
def shop(fresh_kafka: RunningKafka) -> str:
    own(fresh_kafka.bootstrap)
    stock(fresh_kafka.bootstrap)
    return fresh_kafka.bootstrap


@pytest.fixture(autouse=True)
def _reads_both(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the newer release does."""
    monkeypatch.setitem(FORMATS, FORMAT_2, SECOND)  # type: ignore[arg-type]


def formats(bootstrap: str) -> set[int]:
    """Of the users in the changelog."""
    return {
        value[0] for (_, key), value in changelog(bootstrap).items() if key[:1] == USER_KEY_PREFIX
    }


def test_a_rolling_upgrade_to_another_format_under_load(
    shop: str, start_worker: Start, tmp_path: Path
) -> None:
    stopping = threading.Event()

    def load() -> None:
        seed = 0
        while not stopping.wait(0.05):
            seed += 1
            send(shop, 40, seed=seed)

    def start(place: int, **settings: object) -> Worker:
        given = {"state_dir": tmp_path / str(place), "flush_s": 0.5, **settings}
        program = {} if "state_format" not in settings else {"program": NEWER}
        return start_worker(**given, **program)

    loading = threading.Thread(target=load)
    loading.start()
    try:
        workers = [start(0), start(1)]
        until("the first format is written", lambda: formats(shop) == {1})
        for state_format in (1, FORMAT_2):
            for place in (0, 1):
                workers[place].stop()
                workers[place] = start(place, state_format=state_format)
                until("it takes part", lambda place=place: _opened(workers[place]))
            if state_format == 1:
                assert formats(shop) == {1}, "the older one is written until a setting says so"
    finally:
        stopping.set()
        loading.join()
    send(shop, 2 * len(USERS), seed=-1)
    processed(shop)
    check_slates(shop, folded(shop), "after")
    flushed(shop)
    assert formats(shop) == {FORMAT_2}
    assert in_changelog(shop) == folded(shop)
    answers(shop)  # none is there twice


def test_an_older_release_stops_where_it_meets_a_format_it_does_not_know(
    shop: str, start_worker: Start, tmp_path: Path
) -> None:
    newer = start_worker(
        program=NEWER, state_format=FORMAT_2, state_dir=tmp_path / "state", flush_s=0.5
    )
    send(shop, 200, seed=1)
    flushed(shop)
    newer.stop()
    send(shop, 200, seed=2)
    for disk in ("state", "another"):  # it meets it on its disk, or in the changelog
        older = start_worker(state_dir=tmp_path / disk, session_timeout_ms=2_500)
        assert older.wait() == 15
        said = older.log.read_text()
        assert "format 2" in said
        assert "this release reads [1]" in said
    start_worker(program=NEWER, state_format=1, state_dir=tmp_path / "state")
    check_slates(shop, folded(shop), "after")


def _opened(worker: Worker) -> bool:
    return " is open" in worker.log.read_text()
