"""What crosses from one region's cluster to the other's, and what must not: real MirrorMakers."""

import random
import threading

import msgspec
import psutil
from confluent_kafka import Message, Producer

from infra import broker, control, topics
from infra.local import mirror, supervisor
from infra.local.supervisor import records
from schemas.topics import EXPERIMENTS, RECOMMENDATIONS, USER_EVENTS
from tests.servers.pair import PARTITIONS, Pair, Region
from tests.servers.states import put
from tests.servers.workers import DEADLINE_S, event, own, until

MIB = 1024 * 1024


def crossed(region: Region, ids: set[str]) -> list[Message]:
    """The peer's events of these ids as they lie here, once all are there."""

    def copies() -> list[Message]:
        return [r for r in region.records(region.copy_of(USER_EVENTS)) if _id(r) in ids]

    until(f"{len(ids)} events cross to {region.name}", lambda: {_id(r) for r in copies()} == ids)
    return copies()


def _id(record: Message) -> str:
    found: str = msgspec.json.decode(record.value() or b"")["event_id"]
    return found


def test_a_copy_has_the_place_the_time_and_the_headers_of_what_it_copies(pair: Pair) -> None:
    east, west = pair["east"], pair["west"]
    producer = Producer({"bootstrap.servers": east.bootstrap, "partitioner": "murmur2_random"})
    ids = {f"copied-{n}" for n in range(60)}
    for event_id in ids:
        user = f"user-{event_id}"
        # A client's clock that is far off, for which the broker puts its own.
        producer.produce(
            USER_EVENTS.name, event(event_id, user), user, timestamp=1_000_000_000_000,
            headers=[("schema", b"user-event/1"), ("producer", b"till 7"), ("empty", b"")],
        )  # fmt: skip
    assert producer.flush(DEADLINE_S) == 0
    copies = {_id(record): record for record in crossed(west, ids)}
    originals = [record for record in east.records(USER_EVENTS.name) if _id(record) in ids]
    assert len(originals) == len(ids)
    for original in originals:
        copy = copies[_id(original)]
        assert copy.partition() == original.partition()
        assert copy.timestamp()[1] == original.timestamp()[1] > 1_700_000_000_000
        assert (copy.key(), copy.value()) == (original.key(), original.value())
        assert copy.headers() == original.headers()
    assert len({record.partition() for record in originals}) == PARTITIONS


def test_an_aborted_transaction_does_not_cross(pair: Pair) -> None:
    """Nor one that is still open; what is committed behind them does."""
    east, west = pair["east"], pair["west"]

    def transaction(name: str, *values: bytes) -> Producer:
        producer = Producer({"bootstrap.servers": east.bootstrap, "transactional.id": name})
        producer.init_transactions(DEADLINE_S)
        producer.begin_transaction()
        for value in values:
            producer.produce(RECOMMENDATIONS.name, value, "kim", partition=0)
        assert producer.flush(DEADLINE_S) == 0
        return producer

    transaction("first", b"committed before").commit_transaction(DEADLINE_S)
    transaction("second", b"aborted 1", b"aborted 2").abort_transaction(DEADLINE_S)
    transaction("third", b"committed behind").commit_transaction(DEADLINE_S)
    unfinished = transaction("fourth", b"still open")

    def copies() -> list[bytes | None]:
        return [record.value() for record in west.records(west.copy_of(RECOMMENDATIONS))]

    until("the last committed one crosses", lambda: b"committed behind" in copies())
    assert copies() == [b"committed before", b"committed behind"]
    unfinished.abort_transaction(DEADLINE_S)


def test_a_control_record_crosses_and_both_regions_read_the_same(pair: Pair) -> None:
    east, west = pair["east"], pair["west"]
    written = {
        "east": own(east.bootstrap, "east", number=0),
        "west": own(west.bootstrap, "west", number=1),
    }
    for region in pair.values():
        known = until(
            f"{region.name} knows both owners",
            lambda region=region: (
                found if len(found := control.ownerships(region.settings).origins) == 2 else None
            ),
        )
        assert known == written
    assert control.own_first(west.settings) is None


def test_both_directions_do_not_loop(pair: Pair) -> None:
    ids = {name: {f"{name}-{n}" for n in range(40)} for name in pair}
    for region in pair.values():
        put(region.bootstrap, USER_EVENTS.name, [(i, event(i, i)) for i in ids[region.name]])
    for region in pair.values():
        assert len(crossed(region, ids[region.peer])) == 40
    # What came back would stand behind what came: one more event each, and all before it is there.
    for region in pair.values():
        put(
            region.bootstrap, USER_EVENTS.name, [(i, event(f"last-{region.name}", i)) for i in "ab"]
        )
    for region in pair.values():
        crossed(region, {f"last-{region.peer}"})
        own_ids = ids[region.name] | {f"last-{region.name}"}
        mirrored = {_id(r) for r in region.records(region.copy_of(USER_EVENTS))}
        assert not own_ids & mirrored
        assert sum(_id(r) in own_ids for r in region.records(USER_EVENTS.name)) == 42
        assert not [
            name for name in _topics(region) if name.startswith(f"{region.peer}.{region.name}.")
        ]


def test_a_record_that_its_client_compressed_crosses(pair: Pair) -> None:
    east, west = pair["east"], pair["west"]
    random_ = random.Random(1)
    words = [random_.randbytes(6).hex() for _ in range(400)]
    text = " ".join(random_.choice(words) for _ in range(5 * MIB // 13 + 1))
    huge = event("huge", "kim", "chat", item_id=None, text=text)
    assert len(huge) > 5 * MIB
    producer = Producer(
        {
            "bootstrap.servers": east.bootstrap, "partitioner": "murmur2_random",
            "message.max.bytes": 8 * MIB, "compression.type": "zstd", "compression.level": 12,
        }
    )  # fmt: skip
    failed: list[object] = []
    producer.produce(
        USER_EVENTS.name, huge, "kim", on_delivery=lambda error, _: failed.append(error)
    )
    assert producer.flush(DEADLINE_S) == 0
    assert failed == [None], "the broker takes it"
    (copy,) = crossed(west, {"huge"})
    assert copy.value() == huge
    put(east.bootstrap, USER_EVENTS.name, [("kim", event("behind-huge", "kim"))])
    crossed(west, {"behind-huge"})


def test_the_configuration_of_a_copy_is_not_overwritten(pair: Pair) -> None:
    """The source's differs in times and sizes; MirrorMaker would carry it over within seconds."""
    for region in pair.values():
        where = region.bootstrap, PARTITIONS, region.name, region.settings.peers
        assert topics.check(*where) == []
        wanted = {topic.name: topic.config for topic in topics.wanted(*where[1:])}
        copy, source = wanted[region.copy_of(EXPERIMENTS)], wanted[EXPERIMENTS.name]
        assert copy["max.message.bytes"] != source["max.message.bytes"]


def test_a_killed_mirror_loses_and_doubles_nothing(pair: Pair) -> None:
    east, west = pair["east"], pair["west"]
    stopping = threading.Event()
    sent: list[str] = []

    def load() -> None:
        while not stopping.is_set():
            ids = [f"load-{len(sent) + n}" for n in range(20)]
            put(east.bootstrap, USER_EVENTS.name, [(i, event(i, i)) for i in ids])
            sent.extend(ids)

    loading = threading.Thread(target=load)
    loading.start()
    try:
        before = len(west.records(west.copy_of(USER_EVENTS)))
        until("it mirrors", lambda: len(west.records(west.copy_of(USER_EVENTS))) > before + 50)
        keeper, process = _processes(west)
        process.kill()
        keeper.wait(DEADLINE_S)
        supervisor.start(west.home, [west.mirror])
    finally:
        stopping.set()
        loading.join()
    crossed(west, set(sent))
    for partition in range(PARTITIONS):
        original = _in_order(east.records(USER_EVENTS.name), partition)
        assert _in_order(west.records(west.copy_of(USER_EVENTS)), partition) == original


def test_a_mirror_whose_task_failed_begins_anew(pair: Pair) -> None:
    """Connect says so, starts nothing, and its process lives on."""
    east, west = pair["east"], pair["west"]
    keeper, before = _processes(west)
    topic = f"mm2-status.{east.name}.internal"
    said = {one.key(): one.value() for one in west.records(topic)}
    (task,) = (key for key in said if key and key.startswith(b"status-task-MirrorSource"))
    failed = msgspec.json.decode(said[task] or b"") | {"state": "FAILED"}
    put(west.bootstrap, topic, [(task.decode(), msgspec.json.encode(failed))])
    until("MirrorMaker begins anew", lambda: not before.is_running())
    ids = {f"anew-{n}" for n in range(20)}
    put(east.bootstrap, USER_EVENTS.name, [(i, event(i, i)) for i in ids])
    crossed(west, ids)
    assert keeper.is_running()


def _processes(region: Region) -> tuple[psutil.Process, psutil.Process]:
    """The one that keeps MirrorMaker, and MirrorMaker."""
    record = records.read(region.home.run, mirror.NAME)
    keeper = record.process() if record else None
    assert keeper is not None
    (child,) = keeper.children()
    return keeper, child


def _in_order(found: list[Message], partition: int) -> list[str]:
    return [_id(record) for record in found if record.partition() == partition]


def _topics(region: Region) -> set[str]:
    return set(broker.admin(region.settings).list_topics(timeout=30).topics)
