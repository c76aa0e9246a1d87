"""What a slot's metrics say: counted with each commit, and once a second what it waits for.

A slot's series are found once, when it is assigned: a batch may be a few records, and looking each
up by its labels would cost more than counting. Called by the lane in the event loop's thread.
"""

from collections.abc import Mapping
from contextlib import suppress

from prometheus_client import Counter

from streams import metrics
from streams.lane.contract import Batch, Slot, Wait

SILENT_S = 1.0
"""What takes less is on its way, and waits for nobody."""


class Figures:
    """Of one slot, from assigned to given up. Times come from one monotonic clock."""

    def __init__(self, stage: str, slot: Slot) -> None:
        self._stage = stage
        self._partition = str(slot.partition)
        self._labels = stage, slot.topic, self._partition
        self._batch_records = metrics.BATCH_RECORDS.labels(*self._labels)
        self._commit_seconds = metrics.COMMIT_SECONDS.labels(*self._labels)
        self._events: dict[str, Counter] = {}
        self._lagging: set[str] = set()
        self._wait: Wait | None = None
        self._since = 0.0

    def committed(self, batch: Batch, took_s: float) -> None:
        for topic, records in batch.sizes.items():
            events = self._events.get(topic)
            if events is None:
                labels = self._stage, topic, self._partition
                events = self._events[topic] = metrics.EVENTS.labels(*labels)
            events.inc(records)
        self._commit_seconds.observe(took_s)
        self._batch_records.observe(batch.size)

    def lags(self, behind: Mapping[str, int]) -> None:
        """Records behind the end of each topic."""
        for topic, records in behind.items():
            self._lagging.add(topic)
            metrics.LAG.labels(self._stage, topic, self._partition).set(records)

    def waits(self, wait: Wait | None, since: float, now: float) -> None:
        """For whom now, if for anybody; `since` counts unless it waited for the same before."""
        if wait != self._wait:
            self._forget_wait()
            self._wait, self._since = wait, since
        if wait is not None:
            metrics.WAITING.labels(*self._labels, wait).set(now - self._since)

    def close(self) -> None:
        """The slot is given up: its figures are somebody else's now."""
        self._forget_wait()
        for histogram in (metrics.BATCH_RECORDS, metrics.COMMIT_SECONDS):
            with suppress(KeyError):
                histogram.remove(*self._labels)
        for topic in self._events:
            with suppress(KeyError):
                metrics.EVENTS.remove(self._stage, topic, self._partition)
        for topic in self._lagging:
            with suppress(KeyError):
                metrics.LAG.remove(self._stage, topic, self._partition)

    def _forget_wait(self) -> None:
        if self._wait is not None:
            with suppress(KeyError):
                metrics.WAITING.remove(*self._labels, self._wait)
