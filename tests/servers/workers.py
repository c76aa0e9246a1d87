"""Real workers, events into Kafka and what comes out of it, for tests on real servers."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from confluent_kafka import Consumer, Message, Producer, TopicPartition

from schemas.codec import encode, schema_header
from schemas.control import Ownership
from schemas.recommendations import Recommendation
from schemas.topics import RECOMMENDATIONS, REGION_OWNERSHIP
from streams.lane import clients
from streams.region.ownership import Ownerships, first_record
from streams.settings import Settings

CHECKOUT = Path(__file__).parents[2]
DEADLINE_S = 120.0
"""For anything to happen on two slow, shared cores."""


WORKER = ("-m", "streams.worker")


@dataclass
class Worker:
    """`python -m streams.worker STAGE` with its own log."""

    stage: str
    log: Path
    settings: dict[str, Any]
    program: tuple[str, ...] = WORKER
    process: "subprocess.Popen[bytes] | None" = None
    log_start: int = 0
    """Where in the log the present process begins."""

    def start(self) -> "Worker":
        environment = os.environ | {
            f"TIDEMILL_{name.upper()}": str(value) for name, value in self.settings.items()
        }
        self.log_start = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, *self.program, self.stage],
                cwd=CHECKOUT,
                env=environment | {"PYTHONPATH": str(CHECKOUT)},
                stdout=log,
                stderr=log,
            )
        return self

    def signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def kill(self) -> None:
        """SIGKILL: nothing in it can react."""
        self.signal(signal.SIGKILL)
        self.wait()

    def wait(self) -> int:
        assert self.process is not None
        return self.process.wait(DEADLINE_S)

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.signal(signal.SIGCONT)
            self.signal(signal.SIGTERM)
            try:
                self.process.wait(DEADLINE_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def until(what: str, condition: Callable[[], Any], deadline_s: float = DEADLINE_S) -> Any:
    """Ask again and again until the answer is true; the answer."""
    ends = time.monotonic() + deadline_s
    while not (answer := condition()):
        assert time.monotonic() < ends, f"not within {deadline_s:.0f} s: {what}"
        time.sleep(0.1)  # between two looks at the condition
    return answer


def own(bootstrap: str, region: str = "east", number: int = 0) -> Ownership:
    """Make a region the owner of its own events."""
    record = first_record(region, number, Ownerships(), "test")
    assert record is not None
    produce(bootstrap, REGION_OWNERSHIP.name, encode(record), key=region, schema="ownership")
    return record


def produce(
    bootstrap: str,
    topic: str,
    *values: bytes | None,
    key: str | None = None,
    schema: str | None = None,
    **config: Any,
) -> None:
    """Write records and wait until the broker has them."""
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 0, **config})
    failed: list[object] = []
    headers = [schema_header(schema)] if schema else []
    for value in values:
        producer.produce(
            topic,
            value,
            key,
            headers=headers,
            on_delivery=lambda error, _: failed.append(error) if error else None,
        )
    assert producer.flush(DEADLINE_S) == 0
    assert not failed


def event(event_id: str, user_id: str = "kim", kind: str = "click", **fields: Any) -> bytes:
    """A user event as any producer would write it, in plain JSON."""
    whole = {
        "event_id": event_id,
        "user_id": user_id,
        "kind": kind,
        "at_ms": time.time_ns() // 1_000_000,
        "item_id": "i1",
    } | fields
    return msgspec.json.encode({name: value for name, value in whole.items() if value is not None})


def item(item_id: str, **fields: Any) -> bytes:
    at_ms = time.time_ns() // 1_000_000
    return msgspec.json.encode(
        {"item_id": item_id, "title": f"Title of {item_id}", "at_ms": at_ms} | fields
    )


class Log:
    """A topic as a read_committed reader sees it, from its start."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        self._consumer: Consumer = clients.catch_up_reader(Settings(kafka=bootstrap))
        self._topic = topic
        self.records: list[Message] = []
        self._next: dict[int, int] = {}

    def read(self) -> list[Message]:
        """All records committed so far."""
        metadata = self._consumer.list_topics(self._topic, timeout=30).topics[self._topic]
        start = [
            TopicPartition(self._topic, part, self._next.get(part, 0))
            for part in metadata.partitions
        ]
        for record in clients.read_to_end(self._consumer, start):
            self.records.append(record)
            self._next[record.partition()] = record.offset() + 1
        return self.records

    def wait_for(self, count: int, deadline_s: float = DEADLINE_S) -> list[Message]:
        """At least so many records."""
        until(
            f"{count} records in {self._topic}, there are {len(self.records)}",
            lambda: len(self.read()) >= count,
            deadline_s,
        )
        return self.records

    def close(self) -> None:
        self._consumer.close()


def recommendations(log: Log) -> Iterator[Recommendation]:
    for record in log.read():
        assert record.topic() == RECOMMENDATIONS.name
        yield msgspec.json.decode(record.value() or b"", type=Recommendation)


def answered(log: Log, event_id: str) -> Recommendation:
    """The recommendation that this event caused, once it is there."""
    found: Recommendation = until(
        f"the answer to {event_id}",
        lambda: next((r for r in recommendations(log) if r.cause.event_id == event_id), None),
    )
    return found
