"""Asks that nobody answered are found in the logs, and answered once, by whoever may."""

import itertools
from collections.abc import Callable, Sequence

import pytest
from confluent_kafka import Message, Producer

from infra import topics
from infra.lag import behind
from schemas.codec import encode
from schemas.control import Ownership, PastEpoch
from schemas.recommendations import AnswerHeaders
from schemas.topics import RECOMMENDATIONS, REGION_OWNERSHIP, USER_EVENTS, mirrored_name
from streams.lane.forwarding import FORWARDED_FROM, partition_of
from streams.settings import Settings
from streams.topology import RECOMMEND
from tests.servers.conftest import PARTITIONS, RunningKafka
from tests.servers.states import USERS, answers, ask, processed, put, send, stock
from tests.servers.workers import Log, Worker, event, own, produce, until

Start = Callable[..., Worker]


@pytest.fixture
def shop(fresh_kafka: RunningKafka) -> str:
    """It sells, and nobody owns it yet."""
    stock(fresh_kafka.bootstrap)
    return fresh_kafka.bootstrap


def owned(
    bootstrap: str,
    epoch: int,
    owner: str,
    past: list[PastEpoch],
    *,
    origin: str = "east",
    draining: bool = False,
) -> None:
    record = Ownership(
        origin=origin, epoch=epoch, owner=owner, past=past, command_id="test", draining=draining
    )
    produce(bootstrap, REGION_OWNERSHIP.name, encode(record), key=origin, schema="ownership")


def answered(bootstrap: str, name: str, epoch: int) -> None:
    """Returns when every user has the answer to the ask of this name at this epoch."""
    wanted = {(f"{name}-{user}", epoch) for user in USERS}
    until(
        f"{name} is answered at epoch {epoch}",
        lambda: wanted <= {(one.cause.event_id, one.epoch) for one, _ in answers(bootstrap)},
    )


def fence(bootstrap: str) -> dict[int, int]:
    """Per partition the newest cause that was answered."""
    newest: dict[int, int] = {}
    for one, _ in answers(bootstrap):
        partition = one.read_from.partition
        newest[partition] = max(newest.get(partition, 0), one.cause.appended_at_ms)
    return newest


def test_what_was_asked_while_nobody_owned_is_answered_by_who_starts_then(
    shop: str, start_worker: Start
) -> None:
    worker = start_worker()
    send(shop, 80, seed=1)
    ask(shop, "a")
    ask(shop, "b")
    processed(shop)
    worker.stop()
    assert not answers(shop)
    own(shop)
    start_worker()
    answered(shop, "b", 16)
    assert len(answers(shop)) == len(USERS), "the newest of each answers those before it"


def test_what_was_asked_while_nobody_owned_is_answered_by_who_runs(
    shop: str, start_worker: Start
) -> None:
    start_worker()
    ask(shop, "a")
    processed(shop)
    assert not answers(shop)
    own(shop)
    answered(shop, "a", 16)
    ask(shop, "b")
    answered(shop, "b", 16)
    assert len(answers(shop)) == 2 * len(USERS)


def test_what_was_asked_while_the_worker_was_dead_is_answered_once(
    shop: str, start_worker: Start
) -> None:
    own(shop)
    worker = start_worker(session_timeout_ms=2_500)
    ask(shop, "a")
    answered(shop, "a", 16)
    worker.kill()
    ask(shop, "b")
    worker = start_worker(session_timeout_ms=2_500)
    answered(shop, "b", 16)
    worker.kill()
    ask(shop, "b")  # sent again, within two minutes
    start_worker()
    ask(shop, "c")
    answered(shop, "c", 16)
    causes = [one.cause.event_id for one, _ in answers(shop)]
    assert sorted(causes) == sorted(f"{name}-{user}" for name in "abc" for user in USERS)


def test_who_takes_an_origin_over_forwards_its_misplaced_records(
    fresh_kafka: RunningKafka, start_worker: Start
) -> None:
    """The region whose topic holds them may have died before it did."""
    shop = fresh_kafka.bootstrap
    topics.recreate(shop, PARTITIONS, "east", ("west",))
    stock(shop)
    own(shop)
    start_worker(peers="west")
    mirrored = mirrored_name("west", USER_EVENTS)
    right = partition_of("kim", PARTITIONS)
    _misplace(shop, mirrored, "lost", (right + 1) % PARTITIONS)
    settings = Settings(kafka=shop, partitions=PARTITIONS, peers=("west",))
    until("it is processed", lambda: behind(RECOMMEND, settings) == 0)
    own_log = Log(shop, USER_EVENTS.name)
    assert not own_log.read()

    west = PastEpoch(epoch=17, owner="west", fences={})
    owned(shop, 32, "east", [west], origin="west")
    own_log.wait_for(1)
    _misplace(shop, mirrored, "late", (right + 1) % PARTITIONS)
    found = own_log.wait_for(2)  # so is what comes later
    own_log.close()
    assert {record.partition() for record in found} == {right}
    assert all(FORWARDED_FROM in dict(record.headers() or []) for record in found)
    until(
        "what was forwarded is answered",
        lambda: "late" in {one.cause.event_id for one, _ in answers(shop)},
    )


@pytest.mark.parametrize("part", ["begin", "end"])
def test_a_transaction_of_which_the_mirror_carried_only_a_part(
    part: str, fresh_kafka: RunningKafka, start_worker: Start
) -> None:
    """The east answered everybody in one transaction a partition and died; of its slates only some
    came to the west, which gives the others, and not these again.
    """
    shop = fresh_kafka.bootstrap
    own(shop)
    ask(shop, "a")
    east = start_worker()
    answered(shop, "a", 16)
    east.stop()
    asked, given = (
        Log(shop, one.name).wait_for(len(USERS)) for one in (USER_EVENTS, RECOMMENDATIONS)
    )
    transactions = [
        [record for record in given if record.partition() == number] for number in range(PARTITIONS)
    ]
    for slates in transactions:
        assert len({_headers(one).answered_before_ms for one in slates}) == 1
    crossed = [
        one
        for slates in transactions
        for one in (slates[: len(slates) // 2] if part == "begin" else slates[-1:])
    ]
    fences: dict[int, int] = {}
    for one in crossed:
        number, cause = one.partition(), _headers(one).cause
        fences[number] = max(fences.get(number, 0), cause.appended_at_ms)

    topics.recreate(shop, PARTITIONS, "west", ("east",))
    stock(shop)
    _mirror(shop, asked)
    _mirror(shop, crossed)
    owned(shop, 33, "west", [PastEpoch(epoch=16, owner="east", fences=fences)])
    start_worker(region="west", region_number=1, peers="east")
    had = {_headers(one).cause.event_id for one in crossed}
    wanted = {f"a-{user}" for user in USERS} - had
    assert wanted
    assert had
    until("the others are answered", lambda: _causes(shop) >= wanted)
    late = [(user, event(f"b-{user}", user, "request", item_id=None)) for user in USERS]
    put(shop, mirrored_name("east", USER_EVENTS), late)
    last = {f"b-{user}" for user in USERS}
    until("so is what came at last", lambda: _causes(shop) >= last)
    found = answers(shop)
    assert sorted(one.cause.event_id for one, _ in found) == sorted(wanted | last)
    assert {header.epoch for _, header in found} == {33}


def test_an_epoch_that_ended_and_the_next_that_begins_while_the_worker_runs(
    shop: str, start_worker: Start
) -> None:
    """What the first had answered stays, what was asked meanwhile is answered, nothing twice."""
    own(shop)
    start_worker()
    ask(shop, "first")
    answered(shop, "first", 16)
    east = PastEpoch(epoch=16, owner="east", fences=fence(shop))
    owned(shop, 33, "west", [east])
    _folded_without_answers(shop, "meanwhile")
    before = len(answers(shop))
    west = PastEpoch(epoch=33, owner="west", fences={})
    owned(shop, 48, "east", [east, west])
    answered(shop, "meanwhile", 48)
    ask(shop, "last")
    answered(shop, "last", 48)
    found = answers(shop)
    assert len(found) == before + 2 * len(USERS)
    assert {one.cause.event_id for one, header in found if header.epoch == 48} == {
        f"{name}-{user}" for name in ("meanwhile", "last") for user in USERS
    }


def test_a_higher_epoch_that_knows_of_no_answers_gives_them_all_once_more(
    shop: str, start_worker: Start
) -> None:
    own(shop)
    start_worker()
    for name in ("a", "b"):
        ask(shop, name)
        answered(shop, name, 16)
    owned(shop, 32, "east", [])
    answered(shop, "b", 32)
    ids = [one.recommendation_id for one, header in answers(shop) if header.epoch == 32]
    assert len(ids) == len(USERS), "the newest of each user"
    assert set(ids) <= {
        one.recommendation_id for one, header in answers(shop) if header.epoch == 16
    }


def test_many_due_asks_are_answered_oldest_first_beside_new_ones(
    shop: str, start_worker: Start
) -> None:
    users = [f"guest-{number}" for number in range(3_000)]
    ask(shop, "due", users)
    owned(shop, 16, "east", [])
    start_worker()
    ask(shop, "new")
    answered(shop, "new", 16)
    until("all are answered", lambda: len(answers(shop)) == len(users) + len(USERS))
    found = [one for one, _ in answers(shop) if one.cause.event_id.startswith("due")]
    for partition in range(PARTITIONS):
        times = [one.cause.appended_at_ms for one in found if one.read_from.partition == partition]
        assert times == sorted(times)
        assert times


def _headers(record: Message) -> AnswerHeaders:
    return AnswerHeaders.decode(record.headers() or [])


def _causes(shop: str) -> set[str]:
    return {one.cause.event_id for one, _ in answers(shop)}


def _mirror(bootstrap: str, records: Sequence[Message]) -> None:
    """The east's, as they would lie in the west."""
    producer = Producer({"bootstrap.servers": bootstrap})
    for one in records:
        producer.produce(
            f"east.{one.topic()}", one.value(), one.key(), one.partition(),
            headers=one.headers(), timestamp=one.timestamp()[1],
        )  # fmt: skip
    assert producer.flush(30) == 0


def _misplace(bootstrap: str, topic: str, event_id: str, partition: int) -> None:
    """As a mirror copies what somebody else had put there."""
    producer = Producer({"bootstrap.servers": bootstrap})
    producer.produce(topic, event(event_id), "kim", partition)
    assert producer.flush(30) == 0


def _folded_without_answers(shop: str, name: str) -> None:
    """The worker learns of an owner in its own time: ask until one ask is not answered."""
    attempts = itertools.count()

    def is_closed() -> bool:
        probe = f"{next(attempts)}-{name}"
        ask(shop, probe, USERS[:1])
        processed(shop)
        return not any(one.cause.event_id == f"{probe}-{USERS[0]}" for one, _ in answers(shop))

    until("the worker publishes no more", is_closed)
    ask(shop, name)
    processed(shop)
    assert not any(one.cause.event_id == f"{name}-{USERS[0]}" for one, _ in answers(shop))
