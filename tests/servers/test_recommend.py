"""The way of an event on a real Kafka, with real workers and without Triton: the fallback answers.

With Triton and ClickHouse beside them: test_whole_way.py.
"""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from schemas.recommendations import AnswerHeaders
from schemas.topics import DEAD_LETTERS, ITEM_UPDATES, RECOMMENDATIONS, USER_EVENTS
from streams.lane import dead_letters
from streams.lane.forwarding import FORWARDED_FROM, partition_of
from tests.servers.conftest import PARTITIONS, RunningKafka
from tests.servers.workers import (
    Log,
    Worker,
    answered,
    event,
    item,
    own,
    produce,
    recommendations,
    until,
)

ITEMS = [f"i{number}" for number in range(30)]


@pytest.fixture
def shop(fresh_kafka: RunningKafka) -> str:
    """A broker whose region owns itself and knows some items; its bootstrap address."""
    own(fresh_kafka.bootstrap)
    for name in ITEMS:
        produce(fresh_kafka.bootstrap, ITEM_UPDATES.name, item(name), key=name)
    return fresh_kafka.bootstrap


@pytest.fixture
def answers(shop: str) -> Iterator[Log]:
    log = Log(shop, RECOMMENDATIONS.name)
    yield log
    log.close()


@pytest.fixture
def letters(shop: str) -> Iterator[Log]:
    log = Log(shop, DEAD_LETTERS.name)
    yield log
    log.close()


def test_kcat_without_a_key_gets_a_recommendation(
    shop: str, tools: Path, answers: Log, start_worker: Callable[..., Worker]
) -> None:
    start_worker()
    kcat = tools / "bin" / "kcat"
    subprocess.run(
        [kcat, "-P", "-b", shop, "-t", USER_EVENTS.name], input=event("from-kcat"), check=True
    )
    answer = answered(answers, "from-kcat")
    assert answer.user_id == "kim"
    assert len(answer.items) == 10
    assert "i1" not in [shown.item_id for shown in answer.items]
    (record,) = answers.records
    assert record.partition() == partition_of("kim", PARTITIONS)
    headers = AnswerHeaders.decode(record.headers() or [])
    assert (headers.origin, headers.epoch) == ("east", 16)
    assert headers.cause.event_id == "from-kcat"
    assert headers.answered_before_ms <= headers.cause.appended_at_ms


@pytest.mark.parametrize("how", ["librdkafka's default", "null key", "kcat with a key"])
def test_a_misplaced_users_history_is_whole(
    how: str, shop: str, tools: Path, answers: Log, start_worker: Callable[..., Worker]
) -> None:
    start_worker()
    events = [event(f"e{n}", item_id=f"i{n}") for n in range(12)]
    if how == "kcat with a key":
        kcat = [tools / "bin" / "kcat", "-P", "-b", shop, "-t", USER_EVENTS.name, "-k", "kim"]
        subprocess.run(kcat, input=b"\n".join(events), check=True)
    else:
        key = None if how == "null key" else "kim"
        for value in events:  # one batch each, so that null keys spread over the partitions
            produce(shop, USER_EVENTS.name, value, key=key)
    produce(shop, USER_EVENTS.name, event("last", kind="request", item_id=None), key="kim")
    seen = Log(shop, USER_EVENTS.name)
    right = partition_of("kim", PARTITIONS)

    def all_in_place() -> bool:
        in_place = [r for r in seen.read() if r.partition() == right]
        ids = {msgspec.json.decode(record.value() or b"")["event_id"] for record in in_place}
        return ids == {*(f"e{n}" for n in range(12)), "last"}

    until("every event is in its user's partition", all_in_place)
    seen.close()
    produce(
        shop, USER_EVENTS.name, event("after", kind="request", item_id=None), key="kim",
        partitioner="murmur2_random",
    )  # fmt: skip
    answer = answered(answers, "after")
    assert not {f"i{n}" for n in range(12)} & {shown.item_id for shown in answer.items}
    forwarded = [r for r in seen.records if FORWARDED_FROM in dict(r.headers() or [])]
    assert all(record.partition() == right for record in forwarded)


def test_two_surfaces_asked_in_one_batch_are_both_answered(
    shop: str, answers: Log, start_worker: Callable[..., Worker]
) -> None:
    asks = [
        event(f"{surface}-{n}", kind="request", item_id=None, surface=surface)
        for n in range(3)
        for surface in ("home", "basket")
    ]
    produce(shop, USER_EVENTS.name, *asks, key="kim", partitioner="murmur2_random")
    start_worker()  # they wait for it together
    assert {answered(answers, f"{surface}-2").surface for surface in ("home", "basket")} == {
        "home",
        "basket",
    }
    assert len(answers.read()) == 2, "the newest of each surface answers those before it"


def test_an_event_sent_again_is_answered_once(
    shop: str, answers: Log, start_worker: Callable[..., Worker]
) -> None:
    start_worker()
    for name in ("once", "once", "after"):
        value = event(name, at_ms=1_700_000_000_000)
        produce(shop, USER_EVENTS.name, value, key="kim", partitioner="murmur2_random")
        answered(answers, name)  # so that the next one is in another batch
    causes = [answer.cause.event_id for answer in recommendations(answers)]
    assert causes == ["once", "after"]


def test_refused_records_go_to_the_dead_letters_and_neighbours_are_answered(
    shop: str, answers: Log, letters: Log, start_worker: Callable[..., Worker]
) -> None:
    start_worker()
    huge = event("huge", session_id="s" * 5 * 1024 * 1024)
    bad = [b"{", b'{"event_id":"\xff"}', event("k", kind="teleport"), None]
    produce(shop, USER_EVENTS.name, event("before"), key="kim", partitioner="murmur2_random")
    produce(shop, USER_EVENTS.name, *bad, key="kim", partitioner="murmur2_random")
    produce(
        shop, USER_EVENTS.name, huge, key="kim", partitioner="murmur2_random",
        **{"compression.type": "zstd", "message.max.bytes": 16 * 1024 * 1024},
    )  # fmt: skip
    produce(shop, USER_EVENTS.name, event("after"), key="kim", partitioner="murmur2_random")
    answered(answers, "after")
    found = {
        dict(letter.headers() or [])[dead_letters.REASON]: letter.value()
        for letter in letters.wait_for(5)
    }
    assert found == {
        b"not_json": bad[0],
        b"not_utf8": bad[1],
        b"unknown_kind": bad[2],
        b"null_value": None,
        b"too_large": huge[: dead_letters.CUT_BYTES],
    }


def test_every_worker_knows_every_item_and_who_owns_what(
    shop: str, answers: Log, start_worker: Callable[..., Worker]
) -> None:
    first, second = start_worker(), start_worker()
    produce(shop, ITEM_UPDATES.name, item("i2", available=False), key="i2")
    users = [f"user-{number}" for number in range(40)]

    def ask(round_: str) -> list[list[str]]:
        for user in users:
            produce(
                shop, USER_EVENTS.name,
                event(f"{round_}-{user}", user, "request", item_id=None, limit=40),
                key=user, partitioner="murmur2_random",
            )  # fmt: skip
        return [
            sorted(shown.item_id for shown in answered(answers, f"{round_}-{user}").items)
            for user in users
        ]

    everything = sorted(set(ITEMS) - {"i2"})
    assert ask("first") == [everything] * len(users)
    opened = [worker.log.read_text().count("is open") for worker in (first, second)]
    assert all(opened), f"both workers hold partitions: {opened}"


def test_without_an_owner_events_are_folded_and_nothing_is_published(
    fresh_kafka: RunningKafka, start_worker: Callable[..., Worker]
) -> None:
    bootstrap = fresh_kafka.bootstrap
    start_worker()
    produce(bootstrap, ITEM_UPDATES.name, item("i1"), key="i1")
    produce(bootstrap, ITEM_UPDATES.name, item("i9"), key="i9")
    produce(bootstrap, USER_EVENTS.name, event("before"), b"{", key="kim")
    letters = Log(bootstrap, DEAD_LETTERS.name)
    letters.wait_for(1)  # so the event beside it was processed too
    letters.close()
    answers = Log(bootstrap, RECOMMENDATIONS.name)
    assert not answers.read()
    own(bootstrap)
    request = event("after", kind="request", item_id=None)

    def is_answered() -> bool:
        produce(bootstrap, USER_EVENTS.name, request, key="kim", partitioner="murmur2_random")
        return any(True for _ in answers.read())

    until("the owner publishes", is_answered)
    first = answered(answers, "after")
    assert [shown.item_id for shown in first.items] == ["i9"], "the click on i1 was folded"
    answers.close()


def test_workers_go_on_when_the_broker_returns(
    shop: str,
    fresh_kafka: RunningKafka,
    answers: Log,
    start_worker: Callable[..., Worker],
) -> None:
    worker = start_worker()
    produce(shop, USER_EVENTS.name, event("before"), key="kim", partitioner="murmur2_random")
    answered(answers, "before")
    fresh_kafka.kill()
    fresh_kafka.start()
    produce(shop, USER_EVENTS.name, event("after"), key="kim", partitioner="murmur2_random")
    answered(answers, "after")
    assert worker.process is not None
    assert worker.process.poll() is None, "the same worker answered"


def test_the_catalogue_stage_dead_letters_items_that_nobody_can_use(
    shop: str, letters: Log, start_worker: Callable[..., Worker]
) -> None:
    start_worker("catalogue")
    untitled = msgspec.json.encode({"item_id": "i1", "at_ms": 1})
    produce(shop, ITEM_UPDATES.name, untitled, key="i1")
    produce(shop, ITEM_UPDATES.name, item("i1"), key="i2")
    produce(shop, ITEM_UPDATES.name, None, key="i3")
    found = letters.wait_for(2)
    reasons = sorted(dict(letter.headers() or [])[dead_letters.REASON] for letter in found)
    assert reasons == [b"missing_field", b"out_of_bounds"]
    assert untitled in {letter.value() for letter in found}


def test_a_wrong_setting_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    worker = Worker("recommend", tmp_path / "log", {"score_deadline_ms": "soon"}).start()
    assert worker.wait() == 2
    (line,) = worker.log.read_text().splitlines()
    assert "TIDEMILL_SCORE_DEADLINE_MS" in line


def test_a_topic_that_is_not_as_the_settings_say_stops_the_worker(
    start_worker: Callable[..., Worker],
) -> None:
    worker = start_worker(partitions=3)
    assert worker.wait() == 13
    assert "TIDEMILL_PARTITIONS says 3" in worker.log.read_text()
