"""Every copy of a topic against its source: the same records in the same order, each once."""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import xxhash
from confluent_kafka import Message

from tests.drills.check.findings import Findings
from tests.drills.check.logs import Logs


class Side(NamedTuple):
    bootstrap: str
    topic: str


def check_mirror(source: Side, copy: Side, partitions: int, findings: Findings) -> None:
    """Call when nothing is written and all has crossed: what was lost on the way, what came twice,
    what looped (it was never at the source), what changed places.
    """
    for number in range(partitions):
        originals, copies = _records(source, number), _records(copy, number)
        findings.looked("mirrored records", len(originals))
        where = f"of {copy.topic}-{number}"
        there, here = Counter(originals), Counter(copies)
        _count("records that the mirror lost", there - here, where, findings)
        repeated = Counter({which: n for which, n in (here - there).items() if there[which]})
        _count("records that the mirror repeated", repeated, where, findings)
        _count("records that were never at their source", here - there - repeated, where, findings)
        if there == here and originals != copies:
            findings.add("mirrored records out of order", where)


class Counts:
    """How many records a topic has, reading on where the last look ended; for waiting."""

    def __init__(self, side: Side, partitions: int) -> None:
        self._topic = side.topic
        self._logs = Logs(side.bootstrap)
        self._next: dict[int, int | None] = dict.fromkeys(range(partitions))
        self._count = dict.fromkeys(range(partitions), 0)

    def read(self) -> dict[int, int]:
        """By partition."""
        for number, begin in self._next.items():
            for message in self._logs.records(self._topic, number, begin):
                self._next[number] = message.offset() + 1
                self._count[number] += 1
        return dict(self._count)

    def covers(self, source: "Counts") -> bool:
        """Whether there are as many as at the source."""
        wanted, found = source.read(), self.read()
        return all(found[number] >= count for number, count in wanted.items())

    def close(self) -> None:
        self._logs.close()


def _records(side: Side, partition: int) -> Sequence[bytes]:
    logs = Logs(side.bootstrap)
    try:
        return [_digest(message) for message in logs.records(side.topic, partition)]
    finally:
        logs.close()


def _digest(message: Message) -> bytes:
    """Of all that a copy must keep."""
    told = message.key(), message.value(), message.timestamp()[1], message.headers()
    return xxhash.xxh3_128_digest(repr(told).encode())


def _count(kind: str, which: Counter[bytes], where: str, findings: Findings) -> None:
    findings.add_all(kind, (f"{digest.hex()} {where}" for digest in which.elements()))
