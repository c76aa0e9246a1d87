"""PromQL over the metrics that `streams.metrics` declares, so that no name is written twice.

Pure. Called by the dashboards.
"""

from prometheus_client import Counter, Enum, Gauge, Histogram
from prometheus_client.metrics import MetricWrapperBase

from streams.histograms import BulkHistogram

WINDOW = "$__rate_interval"
"""Grafana's: at least four scrapes, whatever the zoom."""


def name(metric: MetricWrapperBase | BulkHistogram) -> str:
    """As Prometheus stores it; the client appends `_total` to counters by itself."""
    family = next(iter(metric.describe())).name
    return f"{family}_total" if isinstance(metric, Counter) else str(family)


def rate(counter: Counter, *labels: str, where: str = "") -> str:
    """Events a second, one series for each combination of `labels`."""
    return f"sum{_by(labels)}(rate({name(counter)}{_braces(where)}[{WINDOW}]))"


def quantile(q: float, histogram: Histogram | BulkHistogram, *labels: str) -> str:
    """An estimate from the buckets: not finer than they are."""
    buckets = f"rate({name(histogram)}_bucket[{WINDOW}])"
    return f"histogram_quantile({q}, sum{_by(('le', *labels))}({buckets}))"


def mean(histogram: Histogram, *labels: str) -> str:
    """Of what was observed."""
    seen = name(histogram)
    by = _by(labels)
    return f"sum{by}(rate({seen}_sum[{WINDOW}])) / sum{by}(rate({seen}_count[{WINDOW}]))"


def total(gauge: Gauge | Enum, *labels: str, where: str = "") -> str:
    """The sum over processes and partitions."""
    return f"sum{_by(labels)}({name(gauge)}{_braces(where)})"


def largest(gauge: Gauge, *labels: str) -> str:
    return f"max{_by(labels)}({name(gauge)})"


def oldest(times: Gauge, *labels: str) -> str:
    """Seconds since the earliest of the times, which are seconds since 1970."""
    return f"time() - min{_by(labels)}({name(times)})"


def _by(labels: tuple[str, ...]) -> str:
    return f" by ({', '.join(labels)}) " if labels else ""


def _braces(where: str) -> str:
    return f"{{{where}}}" if where else ""
