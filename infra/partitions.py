"""What the partitions are at that a worker holds, from its metrics. Pure; called by `infra.status`.

A worker of `recommend` holds partitions of the users and tells much of each. Those of the other
stages keep nothing for a partition: it is open, and behind by so much.
"""

from collections import defaultdict
from collections.abc import Iterator

import msgspec
from prometheus_client import Counter
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from schemas.topics import USER_EVENTS
from streams import metrics
from streams.topology import RECOMMEND, StageName

_QUIET_LAG_RECORDS = 10_000
"""A batch at most."""
_QUIET_MARKER_SHARE = 0.1
"""Of the retention: far older than a cycle, and still days from any loss."""
_OPEN = "open"


class PartitionStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One that a worker holds. From `marker_age_s` on it is told of the users' partitions only;
    None: not known, or not yet.
    """

    topic: str
    partition: int
    phase: str
    """One of streams.metrics.PHASES."""
    records_left: int
    """To be read in this phase before it is open."""
    lag: int
    """Records behind the end, of all topics that are read with it."""
    waits_for: str | None
    """A streams.lane.contract.Wait."""
    waits_s: float
    marker_age_s: float | None = None
    """How old the oldest input is that a start would fold again."""
    marker_share: float | None = None
    """That as a share of the retention; at 1 a worker that dies loses events."""
    due_asks: int | None = None
    users_hot: int | None = None
    users: int | None = None
    """As the store estimates them; too many while RocksDB has writes to merge."""
    user_bytes: int | None = None
    dirty_users: int | None = None

    @property
    def is_quiet(self) -> bool:
        """Open, and nothing about it needs anybody's eye."""
        return (
            self.phase == _OPEN
            and self.waits_for is None
            and self.lag < _QUIET_LAG_RECORDS
            and not self.due_asks
            and (self.marker_share or 0) < _QUIET_MARKER_SHARE
        )


def partitions(stage: StageName, exposition: str, now_s: float) -> list[PartitionStatus]:
    """Those of a worker, ordered. `exposition`: what it answers to Prometheus; `now_s` since 1970.
    Raises ValueError for what is none.
    """
    told = Told(exposition)
    found = _of_users(told, now_s) if stage == RECOMMEND.name else _of_topics(told)
    return sorted(found, key=lambda one: (one.topic, one.partition))


class Told:
    """The samples of an exposition, by name."""

    def __init__(self, exposition: str) -> None:
        self._samples: dict[str, list[Sample]] = defaultdict(list)
        for family in text_string_to_metric_families(exposition):
            for sample in family.samples:
                self._samples[sample.name].append(sample)

    def of(self, metric: MetricWrapperBase, **labels: str) -> list[Sample]:
        """Those that have these labels, among others."""
        family = next(iter(metric.describe())).name
        name = f"{family}_total" if isinstance(metric, Counter) else family
        return [s for s in self._samples[name] if labels.items() <= s.labels.items()]

    def value(self, metric: MetricWrapperBase, **labels: str) -> float | None:
        return next((sample.value for sample in self.of(metric, **labels)), None)

    def whole(self, metric: MetricWrapperBase, **labels: str) -> int | None:
        value = self.value(metric, **labels)
        return None if value is None else round(value)

    def wait(self, **labels: str) -> tuple[str | None, float]:
        for sample in self.of(metrics.WAITING, **labels):
            return sample.labels["waits_for"], sample.value
        return None, 0.0


def _of_users(told: Told, now_s: float) -> Iterator[PartitionStatus]:
    retention_s = told.value(metrics.INPUT_RETENTION)
    for sample in told.of(metrics.PHASE):
        if not sample.value:
            continue
        number = sample.labels["partition"]
        marked_s = told.value(metrics.MARKER_TIME, partition=number)
        age_s = None if marked_s is None else max(0.0, now_s - marked_s)
        waits_for, waits_s = told.wait(topic=USER_EVENTS.name, partition=number)
        yield PartitionStatus(
            topic=USER_EVENTS.name,
            partition=int(number),
            phase=sample.labels[sample.name],
            records_left=told.whole(metrics.RESTORE_LEFT, partition=number) or 0,
            lag=round(sum(each.value for each in told.of(metrics.LAG, partition=number))),
            waits_for=waits_for,
            waits_s=waits_s,
            marker_age_s=age_s,
            marker_share=None if age_s is None or not retention_s else age_s / retention_s,
            due_asks=told.whole(metrics.DUE_ASKS, partition=number),
            users_hot=told.whole(metrics.USERS, **{"partition": number, "in": "hot"}),
            users=told.whole(metrics.USERS, **{"partition": number, "in": "all"}),
            user_bytes=told.whole(metrics.USER_BYTES, partition=number),
            dirty_users=told.whole(metrics.DIRTY_USERS, partition=number),
        )


def _of_topics(told: Told) -> Iterator[PartitionStatus]:
    for sample in told.of(metrics.LAG):
        topic, number = sample.labels["topic"], sample.labels["partition"]
        waits_for, waits_s = told.wait(topic=topic, partition=number)
        yield PartitionStatus(
            topic=topic,
            partition=int(number),
            phase=_OPEN,
            records_left=0,
            lag=round(sample.value),
            waits_for=waits_for,
            waits_s=waits_s,
        )
