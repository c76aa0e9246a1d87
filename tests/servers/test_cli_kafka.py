"""The commands that need Kafka, on a real one, with real workers and without Triton."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient

from infra import topics
from infra.dead_letters import Fate, letters, replay
from schemas.codec import Reason, RefusedError
from schemas.recommendations import Recommendation
from schemas.topics import DEAD_LETTERS, ITEM_UPDATES, USER_EVENTS
from streams.lane.dead_letters import CUT_BYTES, dead_letter
from streams.settings import Settings
from tests.infra.command import document, done, failed
from tests.servers.conftest import PARTITIONS, REGION, RunningKafka
from tests.servers.workers import Log, Worker, event, item, own, produce, until
from tests.streams.records import FakeRecord

RATINGS = """user_id,item_id,timestamp,value,kind,title
kim,i1,1700000000,4,rating,First
kim,i2,1700000001,5,rating,Second
lee,i3,1700000002,3,rating,Third
lee,i4,1700000003,3,rating,Fourth
"""


@pytest.fixture
def given(fresh_kafka: RunningKafka) -> dict[str, str]:
    """Settings for a command that shall use this broker, and nothing else that runs here."""
    return {
        "TIDEMILL_KAFKA": fresh_kafka.bootstrap,
        "TIDEMILL_PARTITIONS": str(PARTITIONS),
        "TIDEMILL_TRITON": "127.0.0.1:1",
        "TIDEMILL_CLICKHOUSE": "127.0.0.1:1",
        "TIDEMILL_PROMETHEUS_PORT": "1",
    }


@pytest.fixture
def settings(fresh_kafka: RunningKafka) -> Settings:
    return Settings(kafka=fresh_kafka.bootstrap, partitions=PARTITIONS)


def test_topics_are_created_checked_and_repaired(
    fresh_kafka: RunningKafka, given: dict[str, str], tmp_path: Path
) -> None:
    assert "all topics are as declared" in done(tmp_path, "topics", "--check", **given)
    admin = AdminClient({"bootstrap.servers": fresh_kafka.bootstrap})
    for future in admin.delete_topics(["experiments"], operation_timeout=30).values():
        future.result()
    until("it is gone", lambda: topics.check(fresh_kafka.bootstrap, PARTITIONS, REGION))
    assert "1 not as declared" in failed(tmp_path, "topics", "--check", **given)
    assert "created: experiments" in done(tmp_path, "topics", **given)
    assert "all topics are as declared" in done(tmp_path, "topics", "--check", **given)
    wrong = given | {"TIDEMILL_PARTITIONS": "3"}
    assert "not as declared" in failed(tmp_path, "topics", **wrong)


def test_a_missing_topic_is_named(
    fresh_kafka: RunningKafka, given: dict[str, str], tmp_path: Path
) -> None:
    admin = AdminClient({"bootstrap.servers": fresh_kafka.bootstrap})
    for future in admin.delete_topics([DEAD_LETTERS.name], operation_timeout=30).values():
        future.result()
    gone = f"topic {DEAD_LETTERS.name} does not exist"
    until("it is gone", lambda: topics.check(fresh_kafka.bootstrap, PARTITIONS, REGION))
    assert gone in failed(tmp_path, "dead-letters", "list", **given)


def put_letter(
    bootstrap: str, topic: str, value: bytes | None, reason: Reason, **record: Any
) -> None:
    """A dead letter as the lane writes it, of a release that could not use this record."""
    fields: dict[str, Any] = {"key": b"kim", "headers": [("producer", b"shop")], "offset": 7}
    refused = FakeRecord(value, topic=topic, **fields | record)
    letter = dead_letter(refused, RefusedError(reason, "so it was"))
    producer = Producer({"bootstrap.servers": bootstrap})
    producer.produce(letter.topic, letter.value, letter.key, headers=letter.headers)
    assert producer.flush(60) == 0


def test_dead_letters_that_can_be_read_now_go_back_once(
    fresh_kafka: RunningKafka, settings: Settings, given: dict[str, str], tmp_path: Path
) -> None:
    bootstrap = fresh_kafka.bootstrap
    known, unknown = event("known"), event("later", kind="teleport")
    huge = b"x" * (300 * 1024)
    put_letter(bootstrap, USER_EVENTS.name, known, Reason.UNKNOWN_KIND)
    put_letter(bootstrap, USER_EVENTS.name, unknown, Reason.UNKNOWN_KIND)
    put_letter(bootstrap, USER_EVENTS.name, None, Reason.NULL_VALUE, key=None)
    put_letter(bootstrap, USER_EVENTS.name, huge, Reason.TOO_LARGE)
    put_letter(bootstrap, "west.user-events", known, Reason.UNKNOWN_KIND)

    listed = document(tmp_path, "dead-letters", "list", **given)
    assert listed["reasons"] == {"unknown_kind": 3, "null_value": 1, "too_large": 1}
    assert {letter["record"] for letter in listed["letters"]} == {
        f"{topic}-0@7" for topic in ("user-events", "west.user-events")
    }
    assert [x["bytes"] for x in listed["letters"] if x["is_cut"]] == [CUT_BYTES]
    assert "5 dead letters" in done(tmp_path, "dead-letters", "list", **given)

    first = document(tmp_path, "dead-letters", "replay", "--reason", "unknown_kind", **given)
    assert first == {
        "replayed": 1, "refused": 1, "cut": 0, "superseded": 0, "elsewhere": 1,
        "refused_reasons": {"unknown_kind": 1},
    }  # fmt: skip
    second = replay(settings)
    assert dict(second.fates) == {Fate.REFUSED: 2, Fate.CUT: 1}, "the others, and what stays"
    third = done(tmp_path, "dead-letters", "replay", **given)
    assert "2 still refused" in third
    assert "replayed" not in third
    log = Log(bootstrap, USER_EVENTS.name)
    (back,) = log.read()
    log.close()
    assert (back.key(), back.value(), back.headers()) == (b"kim", known, [("producer", b"shop")])
    assert len(list(letters(settings))) == 5, "a replay removes nothing"


def test_an_old_item_does_not_come_after_a_newer_one(
    fresh_kafka: RunningKafka, settings: Settings
) -> None:
    bootstrap = fresh_kafka.bootstrap
    produce(bootstrap, ITEM_UPDATES.name, item("i1", title="Newer"), key="i1")
    for key in ("i1", "i2"):
        put_letter(
            bootstrap, ITEM_UPDATES.name, item(key, title="Older"), Reason.NEWER_VERSION,
            key=key.encode(), timestamp_ms=1_700_000_000_000,
        )  # fmt: skip
    assert dict(replay(settings).fates) == {Fate.SUPERSEDED: 1, Fate.REPLAYED: 1}
    log = Log(bootstrap, ITEM_UPDATES.name)
    said = {record.key(): msgspec.json.decode(record.value())["title"] for record in log.read()}
    log.close()
    assert said == {b"i1": "Newer", b"i2": "Older"}


def test_a_replayed_log_is_recommended_from_and_seen_in_the_status(
    fresh_kafka: RunningKafka,
    given: dict[str, str],
    start_worker: Callable[[str], Worker],
    tmp_path: Path,
) -> None:
    own(fresh_kafka.bootstrap)
    log = tmp_path / "log.csv"
    log.write_text(RATINGS)
    call = ("replay", "csv", "--data", str(log))
    text = done(tmp_path, *call, "--until", "50%", **given)
    assert "4 of 4 items were new" in text
    assert "2 events in" in text
    (region,) = document(tmp_path, "status", **given)["regions"].values()
    assert region["lag"]["recommend"] == 2
    assert (region["owner_of"], region["epoch"]) == (["east"], 16)

    start_worker("recommend")
    found = document(tmp_path, "recommend", "kim", "--limit", "3", "--timeout", "120", **given)
    slate = msgspec.convert(found, Recommendation)
    assert {shown.item_id for shown in slate.items} == {"i3", "i4"}, "what kim rated is left out"
    assert {shown["title"] for shown in found["items"]} == {"Third", "Fourth"}
    assert slate.fallback == "unavailable"
    assert "Third" in done(tmp_path, "recommend", "kim", "--timeout", "120", **given)

    text = done(tmp_path, *call, "--rate", "100", **given)
    assert "0 of 4 items were new" in text
    assert "4 events in" in text

    def caught_up() -> bool:
        (region,) = document(tmp_path, "status", **given)["regions"].values()
        return region["lag"]["recommend"] == 0

    until("the worker has processed them", caught_up)
    assert "region east owns east" in done(tmp_path, "status", **given)


def test_silence_is_explained(given: dict[str, str], tmp_path: Path) -> None:
    line = failed(tmp_path, "recommend", "kim", "--timeout", "1", **given)
    assert "no answer within 1 s: region east owns nothing yet" in line


def test_a_record_that_the_broker_refuses_is_told(
    fresh_kafka: RunningKafka, given: dict[str, str], tmp_path: Path
) -> None:
    log = tmp_path / "log.csv"
    log.write_text(RATINGS)
    admin = AdminClient({"bootstrap.servers": fresh_kafka.bootstrap})
    tiny = topics.Wanted(USER_EVENTS.name, PARTITIONS, {"max.message.bytes": "10"})
    topics._set_config(admin, tiny)
    line = failed(tmp_path, "replay", "csv", "--data", str(log), **given)
    assert "4 of 4 records were not acknowledged" in line
