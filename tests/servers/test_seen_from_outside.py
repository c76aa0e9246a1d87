"""What a person sees of a worker while it works, restores and waits: from its own metrics, as
`tidemill status` and the dashboard read them.
"""

import json
import threading
import time
import urllib.error
import urllib.request
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count

import pytest
from confluent_kafka import Producer

from infra import control
from infra.grafana import build
from infra.local import ports
from infra.partitions import PartitionStatus, partitions
from schemas.codec import EventDecoder
from schemas.control import ModelRelease, Served
from schemas.serving import MODEL
from schemas.state import EMPTY, USER_KEY_PREFIX
from schemas.topics import MODEL_RELEASES, STATE_CHANGELOG, USER_EVENTS
from streams.lane.contract import Wait
from streams.settings import Settings
from streams.state.fold import fold
from streams.topology import StageName
from tests.servers.conftest import PARTITIONS, RunningKafka, RunningPrometheus
from tests.servers.panel_data import empty_panels
from tests.servers.states import USERS, ask, flushed, folded, processed, send, stock
from tests.servers.workers import DEADLINE_S, Worker, event, own, until

_IN_HAND = 50_000
"""Records that a producer has yet to bring to the broker; it holds 100,000."""


@dataclass
class Seen:
    """A worker, looked at from outside."""

    worker: Worker
    stage: StageName
    port: int

    def exposition(self) -> str:
        """Empty while nobody answers yet."""
        try:
            url = f"http://127.0.0.1:{self.port}/metrics"
            with urllib.request.urlopen(url, timeout=10) as answer:
                text: str = answer.read().decode()
        except urllib.error.URLError:
            return ""
        return text

    def partitions(self) -> list[PartitionStatus]:
        return partitions(self.stage, self.exposition(), time.time())

    def are_open(self, wanted: int = PARTITIONS) -> bool:
        held = self.partitions()
        return len(held) == wanted and all(one.phase == "open" for one in held)

    def wait_for(self, wait: Wait) -> PartitionStatus:
        """A partition that waits for this, as soon as one does."""
        found: PartitionStatus = until(
            f"a partition waits for {wait}",
            lambda: next((one for one in self.partitions() if one.waits_for == wait), None),
        )
        return found

    def until_quiet(self) -> None:
        until(
            "all partitions are quietly open",
            lambda: self.are_open() and all(one.is_quiet for one in self.partitions()),
        )


Start = Callable[..., Seen]


@pytest.fixture
def start(start_worker: Callable[..., Worker]) -> Start:
    def started(stage: StageName = "recommend", **settings: object) -> Seen:
        port = ports.free_port(frozenset())
        return Seen(start_worker(stage, metrics_port=port, **settings), stage, port)

    return started


@pytest.fixture
def shop(fresh_kafka: RunningKafka) -> str:
    own(fresh_kafka.bootstrap)
    stock(fresh_kafka.bootstrap)
    return fresh_kafka.bootstrap


def named(exposition: str, metric: str) -> list[str]:
    """The samples of one metric."""
    return [line for line in exposition.splitlines() if line.startswith(f"{metric}{{")]


def told_of(exposition: str) -> set[int]:
    """The partitions that any sample names."""
    lines = [line.partition('partition="') for line in exposition.splitlines()]
    return {int(behind.partition('"')[0]) for _, found, behind in lines if found}


def test_each_partition_is_told_of_by_its_worker_alone(shop: str, start: Start) -> None:
    first = start(flush_s=0.5)
    send(shop, 1_200, seed=1)
    flushed(shop)
    first.until_quiet()
    states = folded(shop)
    until(
        "all users are told of",
        lambda: sum(one.users_hot or 0 for one in first.partitions()) == len(states),
    )
    until("no user is dirty", lambda: all(one.dirty_users == 0 for one in first.partitions()))
    held = first.partitions()
    assert all((one.users or 0) >= (one.users_hot or 0) for one in held), "an estimate"
    assert all(one.lag == one.due_asks == one.records_left == 0 for one in held)
    bytes_ = [len(state.encode()) for state in states.values()]
    assert all(0 < (one.user_bytes or 0) <= max(400, *bytes_) for one in held)
    assert all(0 <= (one.marker_age_s or 99) < 30 for one in held), "markers, and nothing behind"
    text = first.exposition()
    events = named(text, "tidemill_events_total")
    assert sum(float(line.rsplit(" ", 1)[1]) for line in events) == 1_200
    for metric in ("tidemill_batch_records_count", "tidemill_commit_seconds_sum"):
        samples = named(text, metric)
        assert len(samples) == PARTITIONS
        assert all(float(line.rsplit(" ", 1)[1]) > 0 for line in samples)
    assert "tidemill_input_retention_seconds 604800.0" in text

    second = start(flush_s=0.5)
    until("the second has its share", lambda: second.are_open(PARTITIONS // 2))
    first_has = {one.partition for one in first.partitions()}
    second_has = {one.partition for one in second.partitions()}
    assert not first_has & second_has
    assert first_has | second_has == set(range(PARTITIONS))
    assert told_of(first.exposition()) == first_has, "nothing of those that were given up"
    assert told_of(second.exposition()) == second_has


def fill_changelog(bootstrap: str, records: int) -> None:
    """So many users' states into each partition."""
    decoder = EventDecoder()
    state = EMPTY
    for number in range(50):
        at_ms = time.time_ns() // 1_000_000
        click = event(f"e{number}", "someone", item_id=f"i{number}")
        state = fold(state, decoder.decode_event(click, None, at_ms), at_ms)
    value = state.encode()
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 50})
    for user in range(records):
        key = USER_KEY_PREFIX + f"someone-{user}".encode()
        for partition in range(PARTITIONS):
            producer.produce(STATE_CHANGELOG.name, value, key, partition=partition)
        while len(producer) > _IN_HAND:  # a slow broker's are too many for the producer
            producer.poll(0.1)
    assert producer.flush(DEADLINE_S) == 0


def watched(seen: Seen) -> dict[str, dict[int, set[int]]]:
    """Phase -> partition -> the numbers of records left that were seen until all were open."""
    found: dict[str, dict[int, set[int]]] = defaultdict(lambda: defaultdict(set))

    def look() -> bool:
        held = seen.partitions()
        for one in held:
            found[one.phase][one.partition].add(one.records_left)
        return len(held) == PARTITIONS and all(one.phase == "open" for one in held)

    ends = time.monotonic() + DEADLINE_S
    while not look():  # without a pause: what it looks for is over in a second
        assert time.monotonic() < ends
    return found


def test_a_restore_from_the_changelog_shows_its_progress(shop: str, start: Start) -> None:
    records = 20_000
    fill_changelog(shop, records)
    found = watched(start())
    assert {"queued", "restoring", "open"} <= found.keys(), "four are opened at once"
    left = found["restoring"].values()
    assert any(len({number for number in each if 0 < number <= records}) > 1 for each in left)
    assert all(each == {0} for each in found["open"].values())


def test_a_replay_of_the_input_shows_its_progress_and_how_old_the_input_is(
    shop: str, start: Start
) -> None:
    first = start(flush_s=1_000)
    began_s = time.time()
    users = [f"guest-{number}" for number in range(2_000)]
    send(shop, 60_000, seed=1, users=users)
    sent_s = time.time()
    processed(shop)
    until("lag is 0", lambda: all(one.lag == 0 for one in first.partitions()))
    assert {one.marker_age_s for one in first.partitions()} == {None}, "there is no marker yet"
    first.worker.kill()
    second = start(flush_s=1_000)
    found = watched(second)
    assert any(number > 0 for each in found["replaying"].values() for number in each)
    now_s = time.time()
    for one in second.partitions():
        assert now_s - sent_s - 1 < (one.marker_age_s or 0) < time.time() - began_s + 1


def test_a_partition_whose_region_publishes_for_no_origin_says_so(
    fresh_kafka: RunningKafka, start: Start
) -> None:
    seen = start()
    until("all wait", lambda: [o.waits_for for o in seen.partitions()] == 8 * ["ownership"])
    seconds = seen.wait_for("ownership").waits_s
    until("it goes on", lambda: seen.wait_for("ownership").waits_s > seconds)
    own(fresh_kafka.bootstrap)
    seen.until_quiet()
    assert "tidemill_waiting_seconds{" not in seen.exposition()


def test_late_asks_that_wait_for_triton_say_so(shop: str, start: Start) -> None:
    record = ModelRelease(
        model=MODEL, revision=1, region="east", url="file:///nowhere/{version}", hash="0" * 64,
        served={"east": Served(version="1")},
    )  # fmt: skip
    control.write(Settings(kafka=shop), MODEL_RELEASES, MODEL, record)
    send(shop, 200, seed=1)
    asked_s = time.time()
    ask(shop, "while-nobody-reads")
    until("they are late", lambda: time.time() > asked_s + 1)
    seen = start(lag_bound_s=1_000)
    waiting = seen.wait_for("triton")
    assert waiting.due_asks
    assert waiting.phase == "open"


def test_records_that_the_broker_holds_back_are_waited_for(shop: str, start: Start) -> None:
    seen = start()
    seen.until_quiet()
    producer = Producer({"bootstrap.servers": shop, "transactional.id": "a shop's own"})
    producer.init_transactions(DEADLINE_S)
    producer.begin_transaction()
    producer.produce(USER_EVENTS.name, event("in-doubt", "kim"), "kim", partition=5)
    assert producer.flush(DEADLINE_S) == 0
    held_back = seen.wait_for("records")
    assert (held_back.partition, held_back.lag) == (5, 1)
    producer.abort_transaction(DEADLINE_S)
    seen.until_quiet()


@contextmanager
def streaming(bootstrap: str) -> Iterator[None]:
    """Events of all users, some hundred a second, until it is left."""
    stopping = threading.Event()
    producer = Producer(
        {"bootstrap.servers": bootstrap, "linger.ms": 0, "partitioner": "murmur2_random"}
    )

    def stream() -> None:
        for number in count():
            user = USERS[number % len(USERS)]
            producer.produce(USER_EVENTS.name, event(f"stream-{number}", user), user)
            producer.poll(0)
            if stopping.wait(0.002):
                return

    thread = threading.Thread(target=stream)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join()
        assert producer.flush(DEADLINE_S) == 0


def test_a_commit_that_hangs_is_waited_for(
    shop: str, start: Start, fresh_kafka: RunningKafka
) -> None:
    seen = start(session_timeout_ms=60_000)
    seen.until_quiet()

    def hangs() -> bool:
        """Chance decides whether a batch is being committed when the broker stops."""
        fresh_kafka.pause()
        try:
            ends = time.monotonic() + 5
            while time.monotonic() < ends:
                if any(one.waits_for == "commit" for one in seen.partitions()):
                    return True
                time.sleep(0.1)  # between two looks
            return False
        finally:
            fresh_kafka.resume()

    with streaming(shop):
        until("events are read", lambda: named(seen.exposition(), "tidemill_events_total"))
        until("a commit hangs", hangs)
    processed(shop)
    seen.until_quiet()


def test_rows_that_wait_for_clickhouse_say_so(shop: str, start: Start) -> None:
    seen = start("archive", clickhouse="127.0.0.1:1")
    send(shop, 40, seed=1)
    until(
        "rows wait, and it is known how many",
        lambda: any(one.waits_for == "clickhouse" and one.lag > 0 for one in seen.partitions()),
    )


def test_the_engine_dashboard_shows_a_real_worker(
    shop: str, start: Start, prometheus: RunningPrometheus
) -> None:
    dashboard = json.loads((build.FOLDER / "engine.json").read_text())
    seen = start(flush_s=0.5)
    prometheus.scrape(f"127.0.0.1:{seen.port}")
    # None waits, and no ask was late.
    may_be_empty = {"Waiting for", "Late asks"}

    def empty() -> set[str]:
        return {query.panel for query in empty_panels(dashboard, prometheus.url, lambda _: [])}

    try:
        with streaming(shop):
            until("every panel has data", lambda: empty() <= may_be_empty)
    finally:
        prometheus.scrape()
