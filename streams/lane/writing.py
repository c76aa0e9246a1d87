"""Writing records and waiting for Kafka, each wait with its deadline and a sentence.

Used by both checkpoints, in the lane's pool threads; librdkafka waits without the interpreter's
lock. Deadlines are in seconds of `time.monotonic`.
"""

import logging
import time
from collections.abc import Iterable, Sequence
from typing import Protocol

from confluent_kafka import KafkaError, KafkaException, Producer

from streams.lane import clients
from streams.lane.contract import Produced
from streams.lane.errors import DeadlineError
from streams.settings import Settings

log = logging.getLogger(__name__)

RETRY_S = 0.2
_ANY_PARTITION = -1


class Forward:
    """Plain produce, acknowledged before it returns, never part of a transaction: an open one
    would hold back every reader of the other partitions.
    """

    def __init__(self, settings: Settings) -> None:
        self._producer = clients.idempotent_producer(settings)

    def __call__(self, records: Sequence[Produced], deadline: float) -> None:
        failed: list[KafkaError] = []
        acknowledged = 0

        def on_delivery(error: KafkaError | None, _: object) -> None:
            nonlocal acknowledged
            acknowledged += 1
            if error is not None:
                failed.append(error)

        produce(self._producer, records, deadline, on_delivery)
        while acknowledged < len(records) and time.monotonic() < deadline:
            self._producer.flush(RETRY_S)
        if failed or acknowledged < len(records):
            why = failed[0] if failed else "no acknowledgement in time"
            raise DeadlineError(f"{len(records)} records could not be written: {why}")


def produce(
    producer: Producer, records: Iterable[Produced], deadline: float, on_delivery: object = None
) -> None:
    """Waits while librdkafka's queue is full. Raises DeadlineError."""
    send = producer.produce
    for record in records:
        partition = _ANY_PARTITION if record.partition is None else record.partition
        while True:
            try:
                send(
                    record.topic,
                    record.value,
                    record.key,
                    partition,
                    headers=record.headers,
                    on_delivery=on_delivery,
                )
            except BufferError:
                if time.monotonic() > deadline:
                    raise DeadlineError(f"no room to write to {record.topic}") from None
                producer.poll(RETRY_S)
            else:
                break


def until(deadline: float, what: str, step: "Step") -> None:
    """Repeat a step that says it can be tried again, until it is done."""
    while True:
        left_s = deadline - time.monotonic()
        if left_s <= 0:
            raise DeadlineError(f"{what} did not end in time; is Kafka up?")
        try:
            step(left_s)
        except KafkaException as raised:
            error: KafkaError = raised.args[0]
            if not (error.retriable() or error.code() in _AGAIN):
                raise
            log.warning("%s is tried again: %s", what, error)
            time.sleep(RETRY_S)
        else:
            return


class Step(Protocol):
    def __call__(self, timeout_s: float, /) -> None: ...


_AGAIN = clients.TRANSIENT | {KafkaError.REBALANCE_IN_PROGRESS}
