"""Events at scheduled times: an open loop that waits for nobody.

Each event's id begins with the time for which it was scheduled, so whoever reads it knows how late
it is, also where this program, the broker or the machine was late (no coordinated omission).
Called as a program with the file of a Plan; tells `warm` when what is measured begins, `done` when
the last event is acknowledged, and writes how late it was itself into the plan's `report`.
"""

import gc
import random
import sys
import time
from pathlib import Path

import msgspec
from confluent_kafka import KafkaError, Message, Producer

from schemas.topics import USER_EVENTS
from tests.benchmarks.events import EVENT_BYTES
from tests.benchmarks.statistics import latencies

NS = 1_000_000_000
_TEMPLATE = (
    '{"event_id":"%016x%016x","user_id":"%s","kind":"%s","at_ms":%d,"item_id":"%s",'
    '"session_id":"%s"}'
)
_LONGEST_FILL = "s" * EVENT_BYTES
_LEAST_SLEEP_S = 0.001
"""So that at 5,000 events/s it sleeps between handfuls; its lateness counts like anybody's."""
_FLUSH_S = 60.0


class Plan(msgspec.Struct):
    """`asking_every`: one event of so many is a click, which asks; the others are views."""

    broker: str
    rate: int
    warm_s: float
    seconds: float
    asking_every: int
    users: list[str]
    items: list[str]
    seed: int
    report: str


def scheduled_ns(event_id: str) -> int:
    """On the monotonic clock, which all processes of a machine share."""
    return int(event_id[:16], 16)


def main() -> None:
    plan = msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=Plan)
    failed: list[KafkaError] = []

    def told(error: KafkaError | None, _: Message) -> None:
        if error is not None:
            failed.append(error)

    # linger.ms stays at its default of 5, as most producers have it.
    producer = Producer(
        {
            "bootstrap.servers": plan.broker,
            "partitioner": "murmur2_random",
            "on_delivery": told,
        }
    )
    producer.list_topics(USER_EVENTS.name, timeout=_FLUSH_S)
    gc.disable()
    late_s = _send(producer, plan)
    left = producer.flush(_FLUSH_S)
    if left or failed:
        sys.exit(f"{left + len(failed)} events were not taken: {failed[:1]}")
    Path(plan.report).write_bytes(msgspec.json.encode(latencies(late_s)))
    _tell("done")


def _send(producer: Producer, plan: Plan) -> list[float]:
    """How late each event was sent, those of the warm-up left out."""
    chosen = random.Random(plan.seed)
    warm = int(plan.rate * plan.warm_s)
    total = warm + int(plan.rate * plan.seconds)
    begin_ns = time.monotonic_ns() + NS // 100
    late_s: list[float] = []
    for number in range(total):
        due_ns = begin_ns + number * NS // plan.rate
        while (left_s := (due_ns - time.monotonic_ns()) / NS) > 0:
            time.sleep(max(_LEAST_SLEEP_S, left_s))
        if number == warm:
            _tell("warm")
        user = chosen.choice(plan.users)
        kind = "view" if number % plan.asking_every else "click"
        at_ms = time.time_ns() // 1_000_000
        place = due_ns, number, user, kind, at_ms, chosen.choice(plan.items)
        fill = _LONGEST_FILL[: max(1, EVENT_BYTES - len(_TEMPLATE % (*place, "")))]
        producer.produce(USER_EVENTS.name, _TEMPLATE % (*place, fill), user)
        producer.poll(0)
        if number >= warm:
            late_s.append((time.monotonic_ns() - due_ns) / NS)
    return late_s


def _tell(line: str) -> None:
    print(line, flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
