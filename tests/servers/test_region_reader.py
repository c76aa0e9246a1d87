"""The reader library on a real broker: own and mirrored topics, news that come late, a restart."""

from collections.abc import Callable, Iterator

import msgspec
import pytest
from confluent_kafka import Producer

from infra import topics
from schemas.control import PastEpoch
from schemas.topics import RECOMMENDATIONS, REGION_OWNERSHIP, Topic, mirrored_name
from streams.region.reader import Reader
from streams.settings import Settings
from tests.servers.conftest import PARTITIONS, RunningKafka
from tests.servers.workers import DEADLINE_S, until
from tests.streams.answers import Answer, ended, owned

EAST, WEST = RECOMMENDATIONS.name, mirrored_name("west", RECOMMENDATIONS)
ENDED = ended(16, 100)


@pytest.fixture
def broker(kafka: RunningKafka) -> str:
    """The topics of east, and those that are mirrored from west; nobody mirrors."""
    topics.recreate(kafka.bootstrap, PARTITIONS, "east", ["west"])
    return kafka.bootstrap


@pytest.fixture
def start(broker: str) -> Iterator[Callable[..., Reader]]:
    started: list[Reader] = []

    def start(**how: object) -> Reader:
        settings = Settings(region="east", peers=("west",), kafka=broker, partitions=PARTITIONS)
        started.append(Reader(settings, **how))
        return started[-1]

    yield start
    for reader in started:
        reader.close()


def put(broker: str, topic: str, *answers: Answer, transaction: str = "", abort: bool = False):
    """As a worker would, or as the mirror writes them."""
    config = {"transactional.id": transaction} if transaction else {}
    producer = Producer({"bootstrap.servers": broker, **config})
    if transaction:
        producer.init_transactions(DEADLINE_S)
        producer.begin_transaction()
    for one in answers:
        producer.produce(
            topic, b"{}", one.user, partition=one.partition, headers=one.headers.encode()
        )
    if transaction:
        (producer.abort_transaction if abort else producer.commit_transaction)(DEADLINE_S)
    assert producer.flush(DEADLINE_S) == 0


def tell(broker: str, topic: Topic | str, epoch: int, owner: str, *past: PastEpoch) -> None:
    record = owned(epoch, owner, *past)
    producer = Producer({"bootstrap.servers": broker})
    name = topic if isinstance(topic, str) else topic.name
    producer.produce(name, record.value, record.key, partition=0)
    assert producer.flush(DEADLINE_S) == 0


def events(reader: Reader, count: int) -> list[str]:
    """So many slates, by their events, once they are there; and no more behind them."""
    found: list[str] = []

    def enough() -> bool:
        messages = (slate.message for slate in reader.read(0.1))
        causes = (dict(message.headers())["cause"] for message in messages)
        found.extend(msgspec.json.decode(cause)["event_id"] for cause in causes)
        return len(found) >= count

    until(f"{count} slates, there are {found}", enough)
    assert len(found) == count, found
    return found


def test_what_both_topics_bring_comes_out_once(broker: str, start: Callable[..., Reader]) -> None:
    tell(broker, REGION_OWNERSHIP, 16, "east")
    reader = start()
    put(broker, EAST, Answer(1), Answer(2), Answer(9, user="ann", partition=5))
    assert sorted(events(reader, 3)) == ["e1", "e2", "e9"]
    put(broker, WEST, Answer(2), Answer(1), Answer(9, user="ann", partition=5), Answer(3))
    assert events(reader, 1) == ["e3"]
    put(broker, EAST, Answer(500), transaction="t", abort=True)
    put(broker, EAST, Answer(4), transaction="t")
    assert events(reader, 1) == ["e4"]


def test_an_epoch_that_comes_before_its_record_waits_for_it(
    broker: str, start: Callable[..., Reader]
) -> None:
    tell(broker, REGION_OWNERSHIP, 16, "east")
    reader = start()
    put(broker, WEST, Answer(150, epoch=33))
    until("it waits", lambda: not reader.read(0.1) and reader.waiting)
    put(broker, EAST, Answer(100))
    assert events(reader, 1) == ["e100"]
    tell(broker, mirrored_name("west", REGION_OWNERSHIP), 33, "west", ENDED)
    assert events(reader, 1) == ["e150"]
    put(broker, EAST, Answer(160), Answer(170))  # a zombie's
    put(broker, WEST, Answer(180, epoch=33))
    assert events(reader, 1) == ["e180"]


def test_who_starts_anew_goes_on_where_the_reader_before_was(
    broker: str, start: Callable[..., Reader]
) -> None:
    tell(broker, REGION_OWNERSHIP, 16, "east")
    reader = start()
    put(broker, EAST, Answer(1), Answer(2, user="ann"))
    assert events(reader, 2) == ["e1", "e2"]
    put(broker, WEST, Answer(50, epoch=33))
    until("it waits", lambda: not reader.read(0.1) and reader.waiting)
    positions = reader.positions
    reader.close()
    put(broker, WEST, Answer(1), Answer(2, user="ann"))
    put(broker, EAST, Answer(3, user="ann"))
    tell(broker, mirrored_name("west", REGION_OWNERSHIP), 33, "west", ENDED)
    assert sorted(events(start(positions=positions), 2)) == ["e3", "e50"]


def test_without_positions_a_reader_begins_now(broker: str, start: Callable[..., Reader]) -> None:
    tell(broker, REGION_OWNERSHIP, 16, "east")
    put(broker, EAST, Answer(1))
    reader = start()
    put(broker, WEST, Answer(1))
    put(broker, WEST, Answer(2))
    assert events(reader, 1) == ["e2"]


def test_a_reader_of_some_partitions_sees_no_others(
    broker: str, start: Callable[..., Reader]
) -> None:
    tell(broker, REGION_OWNERSHIP, 16, "east")
    reader = start(partitions=[3])
    put(broker, EAST, Answer(1), Answer(2, partition=3), Answer(3, user="ann", partition=2))
    assert events(reader, 1) == ["e2"]
    assert {partition for _, partition in reader.positions} == {3}
