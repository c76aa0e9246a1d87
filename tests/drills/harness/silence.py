"""How long nothing came out of a partition, as a read_committed reader of the slates sees it."""

import threading
import time
from collections import defaultdict
from collections.abc import Iterable
from itertools import pairwise

from confluent_kafka import OFFSET_END, Consumer, TopicPartition

from schemas.topics import RECOMMENDATIONS


class Silence:
    """Reads all partitions from their ends, and remembers when something came."""

    def __init__(self, bootstrap: str, partitions: int) -> None:
        self._partitions = partitions
        self._came: dict[int, list[float]] = defaultdict(list)
        self._ending = threading.Event()
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": "drill-silence",
                "enable.auto.commit": False,
                "auto.offset.reset": "latest",
                "isolation.level": "read_committed",
                "fetch.wait.max.ms": 5,
                "log_level": 2,
            }
        )
        self._consumer.assign(
            [TopicPartition(RECOMMENDATIONS.name, n, OFFSET_END) for n in range(partitions)]
        )
        self._thread = threading.Thread(target=self._read, name="silence", daemon=True)
        self._thread.start()

    def longest_s(self, partitions: Iterable[int], begin: float, end: float) -> dict[int, float]:
        """Partition -> its longest silence that touches the time between."""
        return {number: self._longest_s(number, begin, end) for number in partitions}

    def is_flowing(self, since: float) -> bool:
        """Whether every partition had slates since."""
        return all(
            (came := self._came.get(number)) is not None and came[-1] > since
            for number in range(self._partitions)
        )

    def close(self) -> None:
        self._ending.set()
        self._thread.join()
        self._consumer.close()

    def _longest_s(self, partition: int, begin: float, end: float) -> float:
        came = list(self._came[partition])
        return max((b - a for a, b in pairwise(came) if b > begin and a < end), default=0.0)

    def _read(self) -> None:
        while not self._ending.is_set():
            first = self._consumer.poll(0.1)
            if first is None:
                continue
            now = time.monotonic()
            for message in (first, *self._consumer.consume(1000, timeout=0)):
                if message.error() is None:
                    self._came[message.partition()].append(now)
