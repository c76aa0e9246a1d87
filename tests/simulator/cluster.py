"""One region's Kafka, as far as the rules can tell it from the real one: committed records of one
partition, in order, with offsets and times; and the mirror that copies the other region's.
"""

from dataclasses import dataclass, field

from schemas.topics import RECOMMENDATIONS, REGION_OWNERSHIP, USER_EVENTS, Topic, mirrored_name
from tests.streams.records import FakeRecord

Headers = list[tuple[str, bytes]]
MIRRORED = (USER_EVENTS, RECOMMENDATIONS, REGION_OWNERSHIP)


@dataclass
class Cluster:
    region: str
    peer: str
    logs: dict[str, list[FakeRecord]] = field(default_factory=dict)
    positions: dict[str, int] = field(default_factory=dict)
    """What the worker has committed, by topic."""
    ahead_ms: int = 0
    """Of its clocks, before the true time."""
    is_alive: bool = True
    is_cut: bool = False
    """Whether nothing comes from the other region."""

    def log(self, topic: str) -> list[FakeRecord]:
        return self.logs.setdefault(topic, [])

    def both(self, topic: Topic) -> tuple[list[FakeRecord], list[FakeRecord]]:
        """A topic's own log and its mirrored copy."""
        return self.log(topic.name), self.log(mirrored_name(self.peer, topic))

    def append(
        self, topic: str, key: str, value: bytes, headers: Headers, time_ms: int
    ) -> FakeRecord:
        log = self.log(topic)
        record = FakeRecord(
            value, key=key.encode(), topic=topic, offset=len(log), timestamp_ms=time_ms,
            headers=headers,
        )  # fmt: skip
        log.append(record)
        return record


def mirror(source: Cluster, target: Cluster, topic: Topic, count: int) -> int:
    """Copy the next records; how many there were. Transactions are nothing to it."""
    if not (source.is_alive and target.is_alive) or target.is_cut:
        return 0
    name = mirrored_name(source.region, topic)
    done = len(target.log(name))
    for record in source.log(topic.name)[done : done + count]:
        target.append(
            name,
            (record.key() or b"").decode(),
            record.value() or b"",
            record.headers() or [],
            record.timestamp()[1],
        )
    return len(target.log(name)) - done


def since(log: list[FakeRecord], time_ms: int | None) -> list[FakeRecord]:
    """From the first record of this time or later; without a time, all."""
    if time_ms is None:
        return log
    for place, record in enumerate(log):
        if record.timestamp()[1] >= time_ms:
            return log[place:]
    return []
