"""Partitions as a table for people: what each is at and what it waits for.

Called by `tidemill status`. A line fits into 100 columns.
"""

from collections.abc import Iterator, Sequence

from rich.table import Table

from infra.partitions import PartitionStatus
from infra.status import Worker
from streams.topology import RECOMMEND

_WAITS_FOR = {
    "queued": "its turn to be opened",
    "fencing": "Kafka, to fence others",
    "restoring": "the changelog, {left} records",
    "replaying": "input to fold again, {left}",
    "agent": "Faust, {s}",
    "stage": "its worker's CPU, {s}",
    "commit": "Kafka's commit, {s}",
    "records": "Kafka's records, {s}",
    "logs": "the logs of due asks, {s}",
    "triton": "Triton, {s}",
    "clickhouse": "ClickHouse, {s}",
    "ownership": "an origin to publish for",
}
"""By phase or streams.lane.contract.Wait."""
_SHORT, _LONG = 10_000, 1_000_000
"""Between them a number is told in thousands, from the second on in millions."""
_NAMES = ("worker", "partition", "phase", "waits for")
_NUMBERS = ("behind", "marker", "due", "hot/users")


def summary(workers: Sequence[Worker]) -> str | None:
    """How many partitions there are, and how many are open and quiet; None where none is held."""
    held = [one for worker in workers for one in worker.partitions]
    if not held:
        return None
    are_open = sum(one.phase == "open" for one in held)
    quiet = sum(one.is_quiet for one in held)
    return f"{len(held)} partitions are held, {are_open} open, {quiet} of them quiet"


def tables(workers: Sequence[Worker], *, every: bool) -> list[Table]:
    """Partitions of the users, then those of the other stages; `every`: also the quietly open.

    A table without lines is left out.
    """
    of_users = [worker for worker in workers if worker.stage == RECOMMEND.name]
    others = [worker for worker in workers if worker.stage != RECOMMEND.name]
    users = _table((*_NAMES, *_NUMBERS))
    for worker, one in _listed(of_users, every=every):
        users.add_row(worker.name, str(one.partition), *_row(one))
    topics = _table(("worker", "partition", "waits for", "behind"))
    for worker, one in _listed(others, every=every):
        place = f"{one.topic}-{one.partition}"
        topics.add_row(worker.name, place, waits_for(one), _count(one.lag))
    return [found for found in (users, topics) if found.row_count]


def _listed(workers: Sequence[Worker], *, every: bool) -> Iterator[tuple[Worker, PartitionStatus]]:
    for worker in workers:
        for one in worker.partitions:
            if every or not one.is_quiet:
                yield worker, one


def _table(columns: Sequence[str]) -> Table:
    found = Table(box=None, pad_edge=False)
    for column in columns:
        found.add_column(column, justify="right" if column in _NUMBERS else "left", no_wrap=True)
    return found


def waits_for(one: PartitionStatus) -> str:
    """In words; empty where it waits for nothing."""
    reason = one.waits_for if one.phase == "open" else one.phase
    if reason is None:
        return ""
    words = _WAITS_FOR.get(reason, reason)
    return words.format(left=_count(one.records_left), s=_duration(one.waits_s))


def _row(one: PartitionStatus) -> tuple[str, ...]:
    return (
        one.phase,
        waits_for(one),
        _count(one.lag),
        _duration(one.marker_age_s),
        _count(one.due_asks),
        "" if one.users is None else f"{_count(one.users_hot)}/{_count(one.users)}",
    )


def _count(number: int | None) -> str:
    if number is None:
        return ""
    if number < _SHORT:
        return str(number)
    return f"{number / 1e3:.0f}k" if number < _LONG else f"{number / 1e6:.1f}M"


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return ""
    for unit, size_s in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size_s:
            return f"{seconds / size_s:.0f} {unit}"
    return f"{seconds:.0f} s"
