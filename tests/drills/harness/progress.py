"""How far the workers are, as the changelog and the answers tell; for waiting, not for judging."""

import threading
from collections import defaultdict

import msgspec
from confluent_kafka import KafkaException, TopicPartition

from schemas.state import MARKER_KEY, POSITION_KEY, Marker, Position
from schemas.topics import RECOMMENDATIONS, STATE_CHANGELOG
from tests.drills.check import logs
from tests.drills.check.inputs import Inputs
from tests.drills.check.logs import Logs
from tests.drills.harness.waiting import until

_ANSWER_S = 5.0
"""A broker that just died is not waited for; the next look asks another."""


class Progress:
    """Reads on where the last look ended."""

    def __init__(self, bootstrap: str, partitions: int, inputs: Inputs) -> None:
        self._bootstrap = bootstrap
        self._partitions = partitions
        self._inputs = inputs
        self._reader = Logs(bootstrap)
        self._lock = threading.Lock()
        self._next: dict[int, int] = {}
        self._positions: dict[int, dict[str, int]] = defaultdict(dict)
        self._markers: dict[int, dict[str, int]] = defaultdict(dict)
        self._ends_before: dict[TopicPartition, int] = {}

    def _ids(self) -> dict[str, str]:
        admin = logs.administrator(self._bootstrap)
        return logs.topic_ids(admin, *(feed.topic for feed in self._inputs.feeds))

    def answered(self) -> int:
        """Where the recommendations end, all partitions together: it grows while slates go out."""
        return sum(self.by_partition())

    def by_partition(self) -> list[int]:
        """The same for each partition."""
        ends = self._ends_of(RECOMMENDATIONS.name)
        return [ends[number] for number in range(self._partitions)]

    def wait_for_every_partition(self) -> None:
        """Until each has new slates, so each has a worker that works."""
        before = self.by_partition()
        until(
            "new slates of every partition",
            lambda: all(now > then for now, then in zip(self.by_partition(), before, strict=True)),
        )

    def lag(self) -> int | None:
        """Records of the input behind the positions; None while a broker is away."""
        try:
            ends = self._ends()
            ids = self._ids()
            self._read_on()
        except (KafkaException, TimeoutError):
            return None
        return sum(
            max(0, end - self._positions[part.partition].get(ids[part.topic], 0))
            for part, end in ends.items()
        )

    def is_settled(self) -> bool:
        """Every position and every marker stands at the end of its input, and the input grew no
        more since the last look: a batch that is made again forwards its misplaced records again.
        """
        try:
            ends = self._ends()
            grew, self._ends_before = ends != self._ends_before, ends
            ids = self._ids()
            self._read_on()
        except (KafkaException, TimeoutError):
            return False  # a broker is away
        return not grew and all(
            told[part.partition].get(ids[part.topic], 0) >= end
            for told in (self._positions, self._markers)
            for part, end in ends.items()
        )

    def close(self) -> None:
        self._reader.close()

    def _ends(self) -> dict[TopicPartition, int]:
        return {
            TopicPartition(feed.topic, number): end
            for feed in self._inputs.feeds
            for number, end in self._ends_of(feed.topic).items()
        }

    def _ends_of(self, topic: str) -> dict[int, int]:
        admin = logs.administrator(self._bootstrap)
        return logs.ends(admin, topic, self._partitions, answer_s=_ANSWER_S)

    def _read_on(self) -> None:
        with self._lock:
            self._read_on_alone()

    def _read_on_alone(self) -> None:
        for number in range(self._partitions):
            begin = self._next.get(number)
            for message in self._reader.records(STATE_CHANGELOG.name, number, begin):
                self._next[number] = message.offset() + 1
                if message.key() == POSITION_KEY:
                    position = msgspec.json.decode(message.value(), type=Position)
                    self._positions[number] = position.offsets
                elif message.key() == MARKER_KEY:
                    marker = msgspec.json.decode(message.value(), type=Marker)
                    self._markers[number] = marker.offsets
