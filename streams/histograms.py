"""A histogram that takes many values at once.

prometheus_client's own takes one at a time under a lock, which costs more than folding an event.
Used by `streams.metrics`.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from threading import Lock

from prometheus_client.core import REGISTRY, HistogramMetricFamily
from prometheus_client.registry import Collector, CollectorRegistry
from prometheus_client.utils import floatToGoString


class BulkHistogram(Collector):
    """With one label. `bounds` are the upper ones of the buckets, ascending, without infinity."""

    def __init__(
        self,
        name: str,
        documentation: str,
        label: str,
        bounds: Sequence[float],
        registry: CollectorRegistry = REGISTRY,
    ) -> None:
        self._described = name, documentation
        self.label = label
        self._bounds = bounds
        self._names: list[str] = [
            floatToGoString(bound)  # type: ignore[no-untyped-call]
            for bound in (*bounds, float("inf"))
        ]
        self._counts: dict[str, list[int]] = {}
        self._sums: dict[str, float] = {}
        self._lock = Lock()
        registry.register(self)

    def observe(self, label: str, values: Sequence[float]) -> None:
        """Every value that `label` has now."""
        with self._lock:
            counts = self._counts.setdefault(label, [0] * len(self._names))
            for value in values:
                counts[bisect_left(self._bounds, value)] += 1
            self._sums[label] = self._sums.get(label, 0.0) + sum(values)

    def describe(self) -> Iterable[HistogramMetricFamily]:
        """Without this the registry would collect to learn the name."""
        return [HistogramMetricFamily(*self._described, labels=[self.label])]

    def collect(self) -> Iterator[HistogramMetricFamily]:
        family = HistogramMetricFamily(*self._described, labels=[self.label])
        with self._lock:
            for label, counts in self._counts.items():
                reached, buckets = 0, []
                for name, count in zip(self._names, counts, strict=True):
                    reached += count
                    buckets.append((name, reached))
                family.add_metric([label], buckets, self._sums[label])
        yield family
