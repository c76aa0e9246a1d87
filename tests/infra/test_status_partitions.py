"""What `tidemill status` makes of a worker's metrics: from the exposition to the lines."""

import io
import re
from collections.abc import Iterator
from typing import Any, get_args

import pytest
from prometheus_client import REGISTRY, CollectorRegistry, generate_latest
from rich.console import Console

from infra.cli.partitions import summary, tables, waits_for
from infra.partitions import PartitionStatus, partitions
from infra.status import Worker
from schemas.topics import TOPICS, USER_EVENTS
from streams import metrics
from streams.lane.contract import Slot, StageWait, Wait
from streams.lane.figures import Figures
from streams.topology import StageName

NOW_S = 1_800_000_000.0
RETENTION_S = (USER_EVENTS.retention_ms or 0) / 1000
WAITS: list[Wait] = ["agent", "stage", "commit", "records", *get_args(StageWait)]


def told() -> str:
    return generate_latest(REGISTRY).decode()


def worker(
    *held: PartitionStatus, name: str = "recommend-12", stage: StageName = "recommend"
) -> Worker:
    return Worker(
        name=name, stage=stage, pid=1, running=True, ready=True, metrics=None, log="", restarts=0,
        last_exit=None, starts_at_ms=None, partitions=list(held),
    )  # fmt: skip


def at(partition: int = 0, **fields: Any) -> PartitionStatus:
    quiet: dict[str, Any] = {
        "topic": "user-events", "phase": "open", "records_left": 0, "lag": 0, "waits_for": None,
        "waits_s": 0.0,
    }  # fmt: skip
    return PartitionStatus(partition=partition, **{**quiet, **fields})


def lines(*workers: Worker, every: bool = False) -> list[str]:
    text = io.StringIO()
    for found in tables(workers, every=every):
        Console(file=text, width=100, highlight=False).print(found)
    return text.getvalue().splitlines()


@pytest.fixture
def figures() -> Iterator[Figures]:
    """Of a partition that nothing else in this process tells of."""
    metrics.INPUT_RETENTION.set(RETENTION_S)  # tests of the dashboards set every metric
    found = Figures("recommend", Slot(USER_EVENTS.name, 901))
    yield found
    found.close()
    metrics.forget(901)


def test_a_partition_is_told_as_its_worker_tells_it(figures: Figures) -> None:
    metrics.phase(901, "open")
    metrics.RESTORE_LEFT.labels("901").set(0)
    metrics.MARKER_TIME.labels("901").set(NOW_S - RETENTION_S / 2)
    metrics.DUE_ASKS.labels("901").set(7)
    metrics.USERS.labels("901", "hot").set(300)
    metrics.USERS.labels("901", "all").set(12_000)
    metrics.USER_BYTES.labels("901").set(512.4)
    metrics.DIRTY_USERS.labels("901").set(40)
    figures.lags({"user-events": 100, "west.user-events": 20})
    figures.waits("triton", 10.0, 10.0)
    figures.waits("triton", 14.0, 14.0)
    (one,) = (p for p in partitions("recommend", told(), NOW_S) if p.partition == 901)
    assert one == at(
        901, lag=120, waits_for="triton", waits_s=4.0, marker_age_s=RETENTION_S / 2,
        marker_share=0.5, due_asks=7, users_hot=300, users=12_000, user_bytes=512, dirty_users=40,
    )  # fmt: skip
    assert not one.is_quiet


@pytest.mark.usefixtures("figures")
def test_what_is_being_opened_shows_its_progress() -> None:
    metrics.phase(901, "restoring")
    metrics.RESTORE_LEFT.labels("901").set(81_234)
    (one,) = (p for p in partitions("recommend", told(), NOW_S) if p.partition == 901)
    assert (one.phase, one.records_left, one.marker_age_s, one.users) == (
        "restoring", 81_234, None, None,
    )  # fmt: skip
    assert waits_for(one) == "the changelog, 81k records"


def test_nothing_is_left_of_a_partition_that_is_given_up(figures: Figures) -> None:
    metrics.phase(901, "open")
    figures.lags({"user-events": 1})
    figures.waits("commit", 1.0, 3.0)
    figures.waits("records", 4.0, 4.0)
    assert 'waits_for="commit"' not in told()
    figures.close()
    metrics.forget(901)
    assert not re.findall(r'.*partition="901".*', told())


def test_other_stages_tell_of_their_topics() -> None:
    found = Figures("archive", Slot("recommendations", 3))
    try:
        found.lags({"recommendations": 20_000})
        found.waits("clickhouse", 0.0, 90.0)
        held = partitions("archive", told(), NOW_S)
        one = at(3, topic="recommendations", lag=20_000, waits_for="clickhouse", waits_s=90.0)
        assert one in held
    finally:
        found.close()


def test_a_worker_that_holds_nothing_and_one_that_is_none() -> None:
    empty = generate_latest(CollectorRegistry()).decode()
    assert partitions("recommend", empty, NOW_S) == []
    assert (summary([worker()]), tables([worker()], every=True)) == (None, [])
    with pytest.raises(ValueError, match=r"."):
        partitions("recommend", "<html>no metrics here</html>", NOW_S)


def test_only_what_is_not_quietly_open_is_listed() -> None:
    loud = [
        at(1, phase="queued"), at(2, lag=10_000), at(3, due_asks=1),
        at(4, waits_for="commit", waits_s=3.0), at(5, marker_age_s=1.0, marker_share=0.2),
    ]  # fmt: skip
    here = worker(at(0, marker_share=0.01, lag=9), *loud)
    assert [line.split()[1] for line in lines(here)[1:]] == ["1", "2", "3", "4", "5"]
    assert len(lines(here, every=True)) == 7
    assert lines(worker(at(0))) == []
    assert summary([here]) == "6 partitions are held, 5 open, 1 of them quiet"


def test_every_phase_and_every_wait_is_told_in_words_within_100_columns() -> None:
    most: dict[str, Any] = {"records_left": 99_999_999, "lag": 9_999_999, "waits_s": 119 * 60.0} | {
        "marker_age_s": 99 * 86_400.0, "marker_share": 9.0, "due_asks": 9_999,
        "users_hot": 999_499, "users": 99_900_000,
    }  # fmt: skip
    held = [at(63, phase=phase, **most) for phase in metrics.PHASES]
    held += [at(63, waits_for=wait, **most) for wait in WAITS]
    longest = max((topic.name for topic in TOPICS), key=len)
    far = at(63, topic=longest, lag=999_999, waits_for="clickhouse", waits_s=7_000.0)
    shown = lines(worker(*held), worker(far, name="catalogue", stage="catalogue"))
    assert len(shown) == len(held) + 3
    assert all(len(line) <= 100 and "…" not in line for line in shown), "\n".join(shown)
    words = [waits_for(one) for one in held if (one.phase, one.waits_for) != ("open", None)]
    assert len(set(words)) == len(words)
    assert not {*metrics.PHASES, *WAITS} & {*words}
