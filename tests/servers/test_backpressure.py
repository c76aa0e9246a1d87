"""A partition whose batches do not finish: it is paused within its bound, and starves nobody."""

from collections import defaultdict
from collections.abc import Iterator, Mapping

import pytest
from confluent_kafka import Message, Producer, TopicPartition

from schemas.topics import USER_EVENTS
from streams.lane.contract import Slot
from streams.lane.reader import _CHUNK, _LEAST_SHARE, Reader
from streams.settings import Settings
from tests.servers.conftest import RunningKafka
from tests.servers.workers import DEADLINE_S, until

SLOTS = [Slot(USER_EVENTS.name, partition) for partition in range(3)]
SLOW, *QUICK = SLOTS
RECORDS = 30_000
FETCHED_AHEAD = _CHUNK + 1
"""The reader takes so many at once at the most, before it looks again."""


class Waiting:
    """The lane's side: what was delivered waits until somebody takes it."""

    def __init__(self) -> None:
        self.offsets: dict[Slot, list[int]] = defaultdict(list)
        self.slow_takes = False
        self.most = 0
        self._taken = 0

    def deliver(self, slot: Slot, topic: str, records: list[Message]) -> None:
        assert topic == slot.topic
        self.offsets[slot] += [record.offset() for record in records]
        if self.slow_takes:
            self._taken = len(self.offsets[SLOW])
        self.most = max(self.most, len(self.offsets[SLOW]) - self._taken)

    def waiting(self) -> Mapping[Slot, int]:
        if self.slow_takes:
            self._taken = len(self.offsets[SLOW])
        return dict.fromkeys(QUICK, 0) | {SLOW: len(self.offsets[SLOW]) - self._taken}


@pytest.fixture
def backlog() -> Waiting:
    return Waiting()


@pytest.fixture
def reader(fresh_kafka: RunningKafka, backlog: Waiting) -> Iterator[Reader]:
    failed: list[BaseException] = []
    settings = Settings(kafka=fresh_kafka.bootstrap, pending_records=3)
    running = Reader(settings, backlog, failed.append)
    running.start()
    yield running
    running.stop()
    running.join(DEADLINE_S)
    assert not failed


def write(bootstrap: str, slot: Slot, count: int) -> None:
    producer = Producer({"bootstrap.servers": bootstrap, "queue.buffering.max.messages": 1_000_000})
    for _ in range(count):
        producer.produce(slot.topic, bytes(100), partition=slot.partition)
    assert producer.flush(DEADLINE_S) == 0


def test_a_slow_partition_is_paused_and_the_others_go_on(
    fresh_kafka: RunningKafka, backlog: Waiting, reader: Reader
) -> None:
    write(fresh_kafka.bootstrap, SLOW, RECORDS)
    for slot in SLOTS:
        reader.add(slot, [TopicPartition(slot.topic, slot.partition, 0)]).result(DEADLINE_S)
    until("the slow one has its share", lambda: len(backlog.offsets[SLOW]) > _LEAST_SHARE)
    for round_ in range(1, 4):  # it stays so, while the others read on
        for slot in QUICK:
            write(fresh_kafka.bootstrap, slot, 2_000)
        for slot in QUICK:
            until(
                "the others go on",
                lambda slot=slot, round_=round_: len(backlog.offsets[slot]) == 2_000 * round_,
            )
    assert backlog.most <= _LEAST_SHARE + FETCHED_AHEAD, "the memory of what waits is bounded"
    assert len(backlog.offsets[SLOW]) < RECORDS
    backlog.slow_takes = True
    until("the slow one goes on", lambda: len(backlog.offsets[SLOW]) == RECORDS)
    for slot in SLOTS:
        offsets = backlog.offsets[slot]
        assert offsets == list(range(len(offsets))), "in order, none twice, none left out"


def test_a_paused_partition_that_is_given_up_and_taken_again_reads_on(
    fresh_kafka: RunningKafka, backlog: Waiting, reader: Reader
) -> None:
    write(fresh_kafka.bootstrap, SLOW, RECORDS)
    reader.add(SLOW, [TopicPartition(SLOW.topic, SLOW.partition, 0)]).result(DEADLINE_S)
    until("it is paused", lambda: SLOW in reader._paused)
    removed = reader.remove(SLOW)
    # In the reader's thread: it has no other chance to resume what it gave up.
    removed.add_done_callback(lambda _: setattr(backlog, "slow_takes", True))
    removed.result(DEADLINE_S)
    delivered = len(backlog.offsets[SLOW])
    again = TopicPartition(SLOW.topic, SLOW.partition, delivered)
    reader.add(SLOW, [again]).result(DEADLINE_S)
    until("it reads on", lambda: len(backlog.offsets[SLOW]) == RECORDS)
    assert backlog.offsets[SLOW] == list(range(RECORDS))
