"""A transaction that a broker decided and left without an end: no answer of it is given twice."""

import dataclasses
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from confluent_kafka import KafkaError, KafkaException, Message, TopicPartition

from infra import topics
from infra.local import kafka as kafka_server
from infra.local import ports, supervisor
from infra.local.home import Home
from infra.local.supervisor import Server, records
from schemas.state import POSITION_KEY, Position
from schemas.topics import RECOMMENDATIONS, STATE_CHANGELOG, USER_EVENTS
from streams.lane import clients
from streams.lane.checkpoint import TransactionalCheckpoint
from streams.lane.contract import Outcome, Produced, Slot
from streams.lane.positions import topic_ids
from streams.settings import Settings

APPLICATION = "tidemill-recommend"
SLOT = Slot(USER_EVENTS.name, 0)
_NOBODY = 1
"""A port at which nothing listens."""
_DEADLINE_S = 300.0
_FENCE_S = 10.0


class Broker:
    """Its coordinator reaches partitions at a listener of their own, which can be out of reach:
    then it decides transactions and writes no marker.
    """

    def __init__(self, home: Home) -> None:
        port, controller, self._internal = (ports.free_port() for _ in range(3))
        self._home = home
        self._kafka = kafka_server.Kafka(port, controller)
        self._server = kafka_server.server(home, self._kafka)
        self.bootstrap = self._kafka.bootstrap

    def start(self, *, writes_markers: bool) -> None:
        supervisor.start(self._home, [self._with_listener(writes_markers=writes_markers)])

    def kill(self) -> None:
        record = records.read(self._home.run, self._server.name)
        process = record.process() if record else None
        assert process is not None
        process.kill()
        process.wait(30)
        self.stop()

    def stop(self) -> None:
        supervisor.stop(self._home.run, [self._server.name])

    def _with_listener(self, *, writes_markers: bool) -> Server:
        told = self._internal if writes_markers else _NOBODY
        kafka, host = self._kafka, ports.HOST
        more = (
            f"listeners=PLAINTEXT://{kafka.bootstrap},INTERNAL://{host}:{self._internal},"
            f"CONTROLLER://{host}:{kafka.controller_port}\n"
            f"advertised.listeners=PLAINTEXT://{kafka.bootstrap},INTERNAL://{host}:{told}\n"
            "listener.security.protocol.map="
            "PLAINTEXT:PLAINTEXT,INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT\n"
            "inter.broker.listener.name=INTERNAL\n"
            # A partition asks the coordinator at that listener, too, before it takes a record.
            f"transaction.partition.verification.enable={str(writes_markers).lower()}\n"
        )

        def prepare() -> None:
            self._server.prepare()
            # Of a name that is there twice the later value counts.
            with (self._home.run / "kafka.properties").open("a") as properties:
                properties.write(more)

        return dataclasses.replace(self._server, prepare=prepare)


@pytest.fixture
def broker(servers_home: Home, tmp_path: Path) -> Iterator[Broker]:
    made = Broker(Home(tmp_path / "home", servers_home.tools))
    yield made
    made.stop()


def read(settings: Settings, topic: str, isolation: str = "read_committed") -> list[Message]:
    with closing(clients.catch_up_reader(settings, isolation)) as reader:
        return list(clients.read_to_end(reader, [TopicPartition(topic, SLOT.partition, 0)]))


def is_fenced(settings: Settings) -> bool:
    """Whether a worker may begin: not while the transaction before has no end."""
    producer = clients.transactional_producer(settings, f"{APPLICATION}-{SLOT.partition}")
    try:
        producer.init_transactions(_FENCE_S)
    except KafkaException as error:
        if error.args[0].code() not in (KafkaError.CONCURRENT_TRANSACTIONS, KafkaError._TIMED_OUT):
            raise
        return False
    return True


def test_what_a_broker_decided_and_never_ended_is_ended_at_the_next_opening(
    broker: Broker, tmp_path: Path
) -> None:
    broker.start(writes_markers=False)
    settings = Settings(kafka=broker.bootstrap, partitions=1, region="east", peers="")
    topics.recreate(settings.kafka, settings.partitions, settings.region)
    inputs = topic_ids(settings, [USER_EVENTS.name])[USER_EVENTS.name]
    position = msgspec.json.encode(Position(offsets={inputs: 7}))
    before = clients.transactional_producer(settings, f"{APPLICATION}-{SLOT.partition}")
    before.init_transactions(_DEADLINE_S)
    before.begin_transaction()
    before.produce(RECOMMENDATIONS.name, b"before", b"kim", SLOT.partition)
    before.produce(STATE_CHANGELOG.name, position, POSITION_KEY, SLOT.partition)
    before.commit_transaction(_DEADLINE_S)  # it is decided, and its worker is told so
    ends = time.monotonic() + _DEADLINE_S
    while not is_fenced(settings):
        assert time.monotonic() < ends, "the broker gave no markers up"
        broker.kill()
        # Where its coordinator looks for a partition before that has a leader, it gives it up.
        broker.start(writes_markers=False)
    broker.stop()
    broker.start(writes_markers=True)
    assert [m.value() for m in read(settings, RECOMMENDATIONS.name)] == []
    assert [m.value() for m in read(settings, RECOMMENDATIONS.name, "read_uncommitted")] == [
        b"before"
    ]
    checkpoint = TransactionalCheckpoint(settings, APPLICATION, tmp_path / "state")
    opened = checkpoint.open(SLOT, [USER_EVENTS.name], lambda _: None)
    assert opened.go_on_at == {USER_EVENTS.name: 7}
    answer = Produced(RECOMMENDATIONS.name, b"kim", b"due", partition=SLOT.partition)
    checkpoint.commit(SLOT, {USER_EVENTS.name: 7}, Outcome(produce=[answer]))
    checkpoint.close(SLOT)
    assert [m.value() for m in read(settings, RECOMMENDATIONS.name)] == [b"due"]
