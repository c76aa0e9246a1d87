"""Misplaced records in a region that dies before it has forwarded them.

The workers of the east sleep while its broker and the mirror run: events in the wrong partition
cross, and nobody forwards them. Then the east dies. Who takes its people over forwards them, so
each is answered before the east is back; and when it is, it forwards them too: nothing changes.
"""

import time

import msgspec
from confluent_kafka import Producer

from schemas.topics import USER_EVENTS
from tests.drills.check.findings import Findings, Report, report
from tests.drills.check.truth import Placement
from tests.drills.harness import tail
from tests.drills.harness.failing import Failing
from tests.drills.harness.region import Region
from tests.drills.harness.scene import Ground
from tests.drills.harness.tail import Lost
from tests.drills.harness.waiting import until

SHORT = {"rate": 40.0, "users": 60, "partitions": 2, "strangers": 20, "steady_s": 3.0}


def run(
    ground: Ground,
    *,
    rate: float = 100.0,
    users: int = 200,
    partitions: int = 4,
    strangers: int = 200,
    steady_s: float = 10.0,
) -> Report:
    """`strangers`: how many people nobody knows, whose one event is misplaced."""
    with ground.two(partitions=partitions) as two:
        play, findings = Failing(two, rate, users), Findings()
        east, west = play.east, play.west
        try:
            time.sleep(steady_s)
            _sleep(east)
            sent = _misplaced(east, strangers)
            until("they have crossed", lambda: tail.is_here(two, west, sent))
            lost = play.fail(east)
            epoch = play.take_over(west, east.name)
            wanted, app = {one.event_id for one in sent}, two.apps[west.name]
            until(
                "each is answered by the west",
                lambda: wanted <= {one.order[1] for one in app.given},
            )
            findings.looked("misplaced events of a dead region", len(wanted))
            play.come_back(east, epoch, lost)
            play.fail_back(east)
        finally:
            play.close()
        findings.take(two.verdict())
        play.judge(findings)
        figures = {**play.figures, **two.figures, "events": two.acked()}
        return report("misplaced", findings, figures)


def _sleep(region: Region) -> None:
    for crew in region.crews:
        for member in crew.living():
            crew.pause(member)


def _misplaced(region: Region, people: int) -> list[Lost]:
    """A click of each, in the partition of somebody else. Returns when the broker has all."""
    partitions = region.settings.partitions
    placement, sent = Placement(partitions), []
    producer = Producer({"bootstrap.servers": region.bootstrap, "enable.idempotence": True})
    for number in range(people):
        user, event_id = f"stranger-{number}", f"misplaced-{number}"
        event = {
            "event_id": event_id,
            "user_id": user,
            "kind": "click",
            "item_id": f"i{number % 7}",
            "at_ms": time.time_ns() // 1_000_000,
        }
        wrong = (placement.of(user) + 1) % partitions
        producer.produce(USER_EVENTS.name, msgspec.json.encode(event), user, partition=wrong)
        sent.append(Lost(wrong, event_id))
    left = producer.flush(60)
    assert not left, f"{left} misplaced events were not written"
    return sent
