"""The archive worker between a real Kafka and a real ClickHouse: every record, whatever dies."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from confluent_kafka import Producer

from infra.clickhouse import migrate
from schemas.topics import EXPERIMENTS, USER_EVENTS
from tests.servers.archive_database import OnServer, a_database
from tests.servers.conftest import PARTITIONS, REGION
from tests.streams import archive_records as records

DEADLINE_S = 120


class Worker:
    """`python -m streams.worker archive` as a process of its own."""

    def __init__(self, environment: dict[str, str], log: Path) -> None:
        self._environment, self.log = environment, log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "streams.worker", "archive"],
                env=os.environ | self._environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def end(self, how: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(60)
            self._process = None


@pytest.fixture
def database(clickhouse) -> Iterator[OnServer]:
    with a_database(clickhouse) as database:
        migrate.apply(database.execute)
        yield database


@pytest.fixture
def worker(fresh_kafka, clickhouse, database, tmp_path) -> Iterator[Worker]:
    environment = {
        "TIDEMILL_REGION": REGION,
        "TIDEMILL_KAFKA": fresh_kafka.bootstrap,
        "TIDEMILL_PARTITIONS": str(PARTITIONS),
        "TIDEMILL_CLICKHOUSE": clickhouse.address,
        "TIDEMILL_CLICKHOUSE_DATABASE": database.name,
    }
    worker = Worker(environment, tmp_path / "worker.log")
    worker.start()
    yield worker
    worker.end(signal.SIGKILL)


def produce(bootstrap: str, first: int, count: int) -> None:
    """Clicks of many users, acknowledged when this returns."""
    producer = Producer({"bootstrap.servers": bootstrap, "partitioner": "murmur2_random"})
    now_ms = int(time.time() * 1000)
    for number in range(first, first + count):
        user = f"user-{number % 40}"
        value = records.event(now_ms, event_id=f"event-{number}", user_id=user).value()
        producer.produce(USER_EVENTS.name, value, user.encode())
    producer.produce(EXPERIMENTS.name, records.experiment(now_ms).value(), b"more-new")
    assert producer.flush(60) == 0


def wait_for(condition: Callable[[], bool], worker: Worker) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, worker.log.read_text()[-6000:]
        time.sleep(0.1)


def distinct(database: OnServer) -> int:
    return int(str(database.execute("SELECT uniqExact(event_id) FROM user_events")[0][0]))


def test_every_event_is_archived_through_outages_and_deaths(
    fresh_kafka, clickhouse, database, worker
) -> None:
    produce(fresh_kafka.bootstrap, 0, 1_000)
    wait_for(lambda: distinct(database) == 1_000, worker)

    clickhouse.stop()
    try:
        produce(fresh_kafka.bootstrap, 1_000, 1_000)
        wait_for(lambda: "the archive waits" in worker.log.read_text(), worker)
    finally:
        clickhouse.start()
    wait_for(lambda: distinct(database) == 2_000, worker)

    produce(fresh_kafka.bootstrap, 2_000, 3_000)
    worker.end(signal.SIGKILL)
    worker.start()
    wait_for(lambda: distinct(database) == 5_000, worker)

    assert database.execute("SELECT count() FROM user_events FINAL") == [(5_000,)]
    assert database.execute("SELECT sum(events) FROM events_per_minute") == [(5_000,)]
    assert database.execute("SELECT name FROM experiments FINAL") == [("more-new",)]


def test_a_worker_that_waits_for_clickhouse_can_be_stopped(
    fresh_kafka, clickhouse, database, worker
) -> None:
    clickhouse.stop()
    try:
        produce(fresh_kafka.bootstrap, 0, 100)
        wait_for(lambda: "the archive waits" in worker.log.read_text(), worker)
        worker.end(signal.SIGTERM)
    finally:
        clickhouse.start()
    worker.start()
    wait_for(lambda: distinct(database) == 100, worker)
