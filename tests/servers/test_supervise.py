"""Real workers that are kept running: killed, and ended by what they met."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from confluent_kafka.admin import AdminClient, NewPartitions

from infra import workers
from infra.local import supervisor
from infra.local.settings import LocalSettings
from infra.supervise import asking
from schemas.topics import RECOMMENDATIONS, USER_EVENTS
from streams.topology import StageName
from tests.infra.command import NOWHERE, document, done
from tests.servers.conftest import PARTITIONS, RunningKafka
from tests.servers.workers import DEADLINE_S, Log, answered, event, own, produce, until

STAGES: dict[str, StageName] = {"recommend-1": "recommend"}


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    supervisor.stop(tmp_path / "run")


@pytest.fixture
def given(fresh_kafka: RunningKafka) -> dict[str, str]:
    """What the environment of the workers, and of a person who looks at them, says."""
    kafka = {"TIDEMILL_KAFKA": fresh_kafka.bootstrap, "TIDEMILL_PARTITIONS": str(PARTITIONS)}
    return NOWHERE | kafka


def keep(home: Path, given: dict[str, str]) -> None:
    local = LocalSettings(home=home)
    described = workers.described(local, STAGES, given)
    asking.keep(
        local.place,
        described,
        log_limit_bytes=local.log_limit_bytes,
        ready_timeout_s=DEADLINE_S,
        report=lambda _: None,
    )


def shown(home: Path, given: dict[str, str]) -> dict[str, Any]:
    (worker,) = document(home, "status", **given)["regions"]["east"]["workers"]
    return dict(worker)


def test_a_killed_worker_is_started_again_and_answers(
    home: Path, given: dict[str, str], fresh_kafka: RunningKafka
) -> None:
    bootstrap = fresh_kafka.bootstrap
    own(bootstrap)
    keep(home, given)
    log = Log(bootstrap, RECOMMENDATIONS.name)
    produce(bootstrap, USER_EVENTS.name, event("e1"), key="kim")
    answered(log, "e1")
    before = shown(home, given)
    psutil.Process(before["pid"]).kill()
    produce(bootstrap, USER_EVENTS.name, event("e2"), key="kim")
    answered(log, "e2")
    log.close()
    after = until("it is ready", lambda: (w := shown(home, given))["ready"] and w)
    assert after["pid"] != before["pid"]
    assert after["metrics"] == before["metrics"], "Prometheus finds it where it was"
    assert (after["restarts"], after["last_exit"]["signal"]) == (1, "SIGKILL")
    assert after["last_exit"]["pid"] == before["pid"]
    assert "recommend-1, at " in done(home, "status", **given)
    assert list((home / "data" / "state" / "recommend-1").iterdir()), "its store is where it was"


def test_why_a_worker_ended_is_in_the_status(
    home: Path, given: dict[str, str], fresh_kafka: RunningKafka
) -> None:
    own(fresh_kafka.bootstrap)
    keep(home, given)
    admin = AdminClient({"bootstrap.servers": fresh_kafka.bootstrap})
    wider = NewPartitions(USER_EVENTS.name, PARTITIONS + 1)
    admin.create_partitions([wider])[USER_EVENTS.name].result(DEADLINE_S)

    with suppress(psutil.NoSuchProcess):  # it may have begun behind the change, and ended by itself
        psutil.Process(shown(home, given)["pid"]).kill()
    ended = until(
        "it meets the wrong topic",
        lambda: (w := shown(home, given))["last_exit"]["code"] == 13 and w,
    )
    assert ended["last_exit"]["sentence"] == "a topic is missing or not as the settings say"
    said = f"TopicError: topic user-events has {PARTITIONS + 1} partitions"
    assert said in ended["last_exit"]["said"]
    waiting = until("it waits", lambda: (w := shown(home, given))["starts_at_ms"] and w)
    assert (waiting["running"], waiting["ready"], waiting["metrics"]) == (False, False, None)
    text = done(home, "status", **given)
    assert "exited with code 13" in text
    assert said in text
