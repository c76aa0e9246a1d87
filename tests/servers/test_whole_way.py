"""Every server at once: Kafka, Triton, ClickHouse, Prometheus and the workers of three stages."""

import json
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from tritonclient import grpc

from inference import releases
from infra import control
from infra.clickhouse import migrate
from infra.grafana import build
from infra.local import ports
from schemas.control import ModelRelease, Served
from schemas.serving import MODEL
from schemas.topics import ITEM_UPDATES, MODEL_RELEASES, RECOMMENDATIONS, USER_EVENTS
from streams.settings import Settings
from streams.topology import GRAPH
from tests.inference.fitted import fitted_for_triton
from tests.servers.archive_database import OnServer, a_database
from tests.servers.conftest import PARTITIONS, RunningKafka, RunningPrometheus, RunningTriton
from tests.servers.panel_data import empty_panels
from tests.servers.workers import Log, Worker, answered, event, item, own, produce, until

ITEMS = 40
DASHBOARD = json.loads((build.FOLDER / "service.json").read_text())


@dataclass
class Shop:
    """A region that runs: a released model, known items, a worker of each stage."""

    bootstrap: str
    triton: RunningTriton
    database: OnServer
    release: Path
    workers: dict[str, Worker]
    metrics: list[str]
    answers: Log

    def act(self, event_id: str, item_id: str | None = None, **fields: object) -> None:
        kind = "click" if item_id else "request"
        value = event(event_id, kind=kind, item_id=item_id, **fields)
        user = str(fields.get("user_id", "kim"))
        produce(self.bootstrap, USER_EVENTS.name, value, key=user, partitioner="murmur2_random")

    def load_model(self) -> None:
        releases.load(self.triton.grpc_url, [self.release.name])
        releases.check_golden(self.triton.grpc_url, self.release, self.release.name)

    def rows(self, table: str) -> int:
        ((count,),) = self.database.execute(f"SELECT count() FROM {table} FINAL")
        return int(str(count))


@pytest.fixture
def shop(
    fresh_kafka: RunningKafka, triton: RunningTriton, clickhouse: object, tmp_path: Path
) -> Iterator[Shop]:
    release = releases.write(fitted_for_triton(), tmp_path / "releases", {})
    releases.install(release, triton.repository)
    with a_database(clickhouse) as database:  # type: ignore[arg-type]
        migrate.apply(database.execute)
        bootstrap = fresh_kafka.bootstrap
        own(bootstrap)
        settings = {
            "kafka": bootstrap,
            "partitions": PARTITIONS,
            "triton": triton.grpc_url,
            "clickhouse": ",".join(database.settings.clickhouse),
            "clickhouse_database": database.name,
            # Two busy cores: what is tested here is the way, not the speed.
            "score_deadline_ms": 4000,
        }
        taken: list[int] = []
        workers = {}
        for stage in GRAPH:
            taken.append(ports.free_port(frozenset(taken)))
            own_settings = {**settings, "metrics_port": taken[-1]}
            workers[stage] = Worker(stage, tmp_path / f"{stage}.log", own_settings)
        found = Shop(
            bootstrap,
            triton,
            database,
            release,
            workers,
            [f"127.0.0.1:{port}" for port in taken],
            Log(bootstrap, RECOMMENDATIONS.name),
        )
        found.load_model()
        control.write(Settings(kafka=bootstrap), MODEL_RELEASES, MODEL, _record(release))
        for number in range(ITEMS):
            produce(bootstrap, ITEM_UPDATES.name, item(f"i{number}"), key=f"i{number}")
        for worker in workers.values():
            worker.start()
        try:
            yield found
        finally:
            for worker in workers.values():
                worker.stop()
            found.answers.close()
            _unload(triton)


def _record(release: Path) -> ModelRelease:
    return ModelRelease(
        model=MODEL,
        revision=1,
        region="east",
        url=f"file://{release.parent}/{{version}}",
        hash=releases.manifest_hash_of(release),
        served={"east": Served(version=release.name)},
    )


def _unload(triton: RunningTriton) -> None:
    """Other tests use the same Triton; none meets what this one left."""
    with closing(grpc.InferenceServerClient(triton.grpc_url)) as client:
        client.unload_model(MODEL)
    shutil.rmtree(triton.repository / MODEL, ignore_errors=True)


def test_an_event_changes_what_is_recommended_and_is_archived(shop: Shop) -> None:
    shop.act("first", "i3")
    first = answered(shop.answers, "first")
    assert (first.fallback, first.model and first.model.version) == (None, shop.release.name)
    # In the log everybody walks from an item to the next.
    assert first.items[0].item_id == "i4"
    assert first.items[0].because == "i3"
    assert first.items[0].source in ("transitions", "ease")
    shop.act("second", "i20")
    second = answered(shop.answers, "second")
    assert second.items[0].item_id == "i21"
    assert "i20" not in {shown.item_id for shown in second.items}
    until("both events are archived", lambda: shop.rows("user_events") == 2)
    until("both answers are archived", lambda: shop.rows("recommendations") == 2)


def test_a_withdrawn_item_disappears_without_a_restart(shop: Shop) -> None:
    shop.act("before", "i3")
    assert answered(shop.answers, "before").items[0].item_id == "i4"
    produce(shop.bootstrap, ITEM_UPDATES.name, item("i4", available=False), key="i4")
    asked = 0

    def is_gone() -> bool:
        nonlocal asked
        asked += 1
        shop.act(f"again-{asked}")
        shown = answered(shop.answers, f"again-{asked}").items
        return "i4" not in {place.item_id for place in shown}

    until("i4 is shown no more", is_gone)


def test_the_fallback_answers_while_triton_is_away_and_the_model_after_it(shop: Shop) -> None:
    shop.act("before", "i3")
    assert answered(shop.answers, "before").fallback is None
    shop.triton.stop()
    shop.act("without", "i5")
    without = answered(shop.answers, "without")
    assert without.fallback == "unavailable"
    assert without.model is None
    assert without.items
    shop.triton.start()
    shop.load_model()
    asked = 0

    def is_back() -> bool:
        nonlocal asked
        asked += 1
        shop.act(f"again-{asked}")
        return answered(shop.answers, f"again-{asked}").fallback is None

    until("the model answers again", is_back)


def test_a_silent_triton_is_given_up_at_the_deadline(shop: Shop) -> None:
    shop.act("before", "i3")
    assert answered(shop.answers, "before").fallback is None
    shop.triton.pause()
    try:
        shop.act("silent", "i5")
        assert answered(shop.answers, "silent").fallback == "deadline"
    finally:
        shop.triton.resume()


def test_recommendations_go_on_without_clickhouse_and_no_row_is_lost_or_doubled(
    shop: Shop, clickhouse: "object"
) -> None:
    shop.act("before", "i3")
    until("the first event is archived", lambda: shop.rows("user_events") == 1)
    clickhouse.stop()  # type: ignore[attr-defined]
    try:
        for number in range(30):
            shop.act(f"away-{number}", f"i{number}")
        last = answered(shop.answers, "away-29")
        assert last.items
    finally:
        clickhouse.start()  # type: ignore[attr-defined]
    answers = {(r.key(), r.offset(), r.partition()) for r in shop.answers.read()}
    until("every event is archived", lambda: shop.rows("user_events") >= 31)
    until("every answer is archived", lambda: shop.rows("recommendations") >= len(answers))
    assert shop.rows("user_events") == 31
    assert shop.rows("recommendations") == len(answers)


def test_every_panel_of_the_dashboard_shows_data_under_load(
    shop: Shop, prometheus: RunningPrometheus
) -> None:
    stopping = threading.Event()

    shop.act("first", "i3")
    slate = answered(shop.answers, "first").recommendation_id

    def load() -> None:
        """People act; now and then something is refused, misplaced, or shown and clicked."""
        number = 0
        while not stopping.wait(0.05):
            number += 1
            shop.act(f"{number}", f"i{number % ITEMS}", user_id=f"user-{number % 50}")
            shown = {"recommendation_id": slate, "item_id": "i4"}
            values = [
                event(f"s{number}", kind="impression", epoch=16, position=0, **shown),
                event(f"c{number}", **shown),
                event(f"u{number}", shiny="new"),
                event(f"k{number}", kind="teleport"),
                event(f"m{number}", user_id=f"other-{number}"),
                event(f"n{number}", f"nobody-{number}", kind="request", item_id=None),
            ]
            produce(shop.bootstrap, USER_EVENTS.name, *values)

    loading = threading.Thread(target=load)
    prometheus.scrape(*shop.metrics)
    loading.start()
    try:
        query = (DASHBOARD, prometheus.url, shop.database.execute)
        ends = time.monotonic() + 120
        while (empty := empty_panels(*query)) and time.monotonic() < ends:
            time.sleep(0.5)  # between two looks at the panels
        assert not empty, "\n".join(f"{panel.panel}: {panel.query}" for panel in empty)
    finally:
        stopping.set()
        loading.join()
        prometheus.scrape()
