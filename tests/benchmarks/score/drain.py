"""A backlog of asks through the worker: slates a second, to the last one that can be read."""

import time
from collections.abc import Iterable
from typing import Any

import msgspec
from confluent_kafka import TopicPartition

from infra.broker import Sender, reader
from schemas.codec import encode, schema_header
from schemas.events import AnyEvent
from schemas.topics import RECOMMENDATIONS, USER_EVENTS
from streams.lane import clients
from tests.benchmarks.problems import BenchmarkError
from tests.benchmarks.processes import Mark
from tests.benchmarks.servers import Servers
from tests.benchmarks.statistics import rounded
from tests.benchmarks.workers import Worker

_HEADERS = [schema_header("user-event")]
_POLL_S = 0.02
_QUIET_S = 1.0
_DEADLINE_S = 300.0


class _Slate(msgspec.Struct):
    """What is looked at of a recommendation."""

    fallback: str | None = None


def send(servers: Servers, events: Iterable[AnyEvent]) -> int:
    with Sender(servers.settings) as sender:
        for event in events:
            sender.send(USER_EVENTS.name, event.user_id.encode(), encode(event), _HEADERS)
    return sender.acknowledged


def drained(servers: Servers, worker: Worker, asks: Iterable[AnyEvent]) -> dict[str, Any]:
    """The worker is paused while the backlog is made: all of it is late when it is read."""
    parts = [
        TopicPartition(RECOMMENDATIONS.name, number)
        for number in range(servers.settings.partitions)
    ]
    starts = _ends(servers)
    events_before, triton_before = worker.events(), servers.cpu_s()["triton"]
    worker.pause()
    try:
        count = send(servers, asks)
        time.sleep(2 * servers.settings.score_deadline_ms / 1000)
        begin = worker.mark()
    finally:
        worker.resume()
    last = _last_slate(servers, worker, parts, events_before + count)
    triton_s = servers.cpu_s()["triton"] - triton_before
    slates = fallbacks = 0
    for message in clients.read_to_end(reader(servers.settings), starts):
        slates += 1
        fallbacks += msgspec.json.decode(message.value(), type=_Slate).fallback is not None
    seconds = last.at_s - begin.at_s
    return {
        "asks": count,
        "slates": slates,
        "fallback_share": rounded(fallbacks / max(1, slates)),
        "seconds": rounded(seconds),
        "slates_per_s": rounded(slates / seconds),
        "worker_core": rounded((last.cpu_s - begin.cpu_s) / seconds),
        "triton_core": rounded(triton_s / seconds),
    }


def _last_slate(servers: Servers, worker: Worker, parts: list[TopicPartition], events: int) -> Mark:
    """When the end of the recommendations moved last, with all asks read and none still due."""
    ends, last = servers.ends_of(parts), worker.mark()
    ends_s = last.at_s + _DEADLINE_S
    while not (_is_done(worker, events) and time.monotonic() - last.at_s > _QUIET_S):
        if time.monotonic() > ends_s:
            raise BenchmarkError(f"asks are still due after {_DEADLINE_S:.0f} s")
        looked_s = time.monotonic()
        while time.monotonic() - looked_s < _QUIET_S:
            time.sleep(_POLL_S)
            if (seen := servers.ends_of(parts)) != ends:
                ends, last = seen, worker.mark()
    return last


def _is_done(worker: Worker, events: int) -> bool:
    return worker.events() >= events and worker.metric("tidemill_due_asks") == 0


def _ends(servers: Servers) -> list[TopicPartition]:
    consumer = reader(servers.settings)
    try:
        return [
            TopicPartition(
                RECOMMENDATIONS.name,
                number,
                consumer.get_watermark_offsets(
                    TopicPartition(RECOMMENDATIONS.name, number), timeout=60
                )[1],
            )
            for number in range(servers.settings.partitions)
        ]
    finally:
        consumer.close()
