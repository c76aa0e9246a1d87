"""Every panel of every dashboard against a real Prometheus and a real ClickHouse.

The numbers come from a process that counts in the workers' own metrics and from rows that the
archive stage's own inserts wrote.
"""

import json
import time
from collections.abc import Iterator
from itertools import chain

import pytest
from prometheus_client import CollectorRegistry, Counter, Enum, Gauge, Histogram, start_http_server

from infra import standby_metrics
from infra.clickhouse import migrate
from infra.grafana import build
from infra.grafana.queries import PanelQuery
from infra.probing import metrics as probing
from streams import metrics
from streams.histograms import BulkHistogram
from tests.servers.archive_database import OnServer, a_database
from tests.servers.panel_data import empty_panels, returns_data
from tests.streams import archive_records as records

DEADLINE_S = 90
DASHBOARDS = {path.stem: json.loads(path.read_text()) for path in build.FOLDER.glob("*.json")}
LABELS = {
    "stage": "recommend", "fallback": "deadline", "partition": "0", "topic": "user-events",
    "in": "hot", "found": "differing_twice", "outcome": "scored",
}  # fmt: skip


def work() -> None:
    """Moves every metric that a worker, the watcher or a prober declares, each once."""
    declared = (vars(of).values() for of in (metrics, standby_metrics, probing))
    for metric in chain.from_iterable(declared):
        if isinstance(metric, BulkHistogram):
            metric.observe("home", [1])
        if not isinstance(metric, Counter | Enum | Gauge | Histogram):
            continue
        names = metric._labelnames
        child = metric.labels(*(LABELS.get(name, "some") for name in names)) if names else metric
        if isinstance(metric, Histogram):
            child.observe(1)
        elif isinstance(metric, Enum):
            child.state("open")
        else:
            child.inc()


@pytest.fixture
def database(clickhouse) -> Iterator[OnServer]:
    with a_database(clickhouse) as database:
        migrate.apply(database.execute)
        now_ms = database.now_ms
        shown = {"recommendation_id": "slate-1", "item_id": "item-1"}
        database.archive(
            [
                records.item(now_ms),
                records.ownership(now_ms),
                records.slate(now_ms, epoch=33),
                records.event(
                    now_ms, kind="impression", event_id="2", epoch=16, position=0, **shown
                ),
                records.event(now_ms, kind="click", event_id="3", **shown),
            ]
        )
        yield database


@pytest.fixture
def worker() -> Iterator[str]:
    """The address of a metrics port as a worker opens it."""
    server, thread = start_http_server(0, addr="127.0.0.1")
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize("name", sorted(DASHBOARDS))
def test_every_panel_shows_data_while_workers_work(name, prometheus, database, worker) -> None:
    prometheus.scrape(worker)
    try:
        deadline = time.monotonic() + DEADLINE_S
        empty: list[PanelQuery] = []
        while time.monotonic() < deadline:
            work()
            empty = empty_panels(DASHBOARDS[name], prometheus.url, database.execute)
            if not empty:
                break
            time.sleep(0.2)
        assert not empty, "\n".join(f"{query.panel}: {query.query}" for query in empty)
    finally:
        prometheus.scrape()


def test_a_query_without_data_is_seen(prometheus, database) -> None:
    for query in (
        PanelQuery("prometheus", "sum(rate(tidemill_nothing_total[$__rate_interval]))", "none"),
        PanelQuery("prometheus", "vector(0) / vector(0)", "not a number"),
        PanelQuery(
            "grafana-clickhouse-datasource",
            "SELECT * FROM user_events WHERE kind = 'erase' AND $__timeFilter(appended_at)",
            "none",
        ),
    ):
        assert not returns_data(query, prometheus.url, database.execute)


def test_a_dead_worker_is_counted(prometheus, database) -> None:
    # A port that was free a moment ago: nobody answers there.
    server, _ = start_http_server(0, addr="127.0.0.1", registry=CollectorRegistry())
    server.shutdown()
    server.server_close()
    prometheus.scrape(f"127.0.0.1:{server.server_port}")
    try:
        expression = 'count(up{job="tidemill"} == 0) > 0'
        dead = PanelQuery("prometheus", expression, "dead")
        deadline = time.monotonic() + DEADLINE_S
        while not returns_data(dead, prometheus.url, database.execute):
            assert time.monotonic() < deadline
            time.sleep(0.2)
    finally:
        prometheus.scrape()
