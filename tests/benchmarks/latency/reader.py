"""A plain consumer of one topic that notes when each record arrived.

Called as a program with BROKER TOPIC FILE; tells `ready` once it will miss nothing, reads until
SIGTERM, and then writes a msgpack list of Arrived. It looks into no record meanwhile.
"""

import gc
import signal
import sys
import time
from pathlib import Path

import msgspec
from confluent_kafka import Consumer, TopicPartition

_ANSWER_S = 60.0
_CHUNK = 10_000


class Arrived(msgspec.Struct, array_like=True, gc=False):
    """`at_ns` is on the monotonic clock, `appended_at_ms` the record's own time."""

    at_ns: int
    appended_at_ms: int
    value: bytes


def read(file: Path) -> list[Arrived]:
    return msgspec.msgpack.decode(file.read_bytes(), type=list[Arrived])


def main() -> None:
    broker, topic, file = sys.argv[1:]
    # librdkafka's defaults but for these: a record is handed over as soon as it can be read.
    consumer = Consumer(
        {
            "bootstrap.servers": broker,
            "group.id": "bench-reader",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
        }
    )
    parts = []
    for number in consumer.list_topics(topic, timeout=_ANSWER_S).topics[topic].partitions:
        part = TopicPartition(topic, number)
        _, part.offset = consumer.get_watermark_offsets(part, timeout=_ANSWER_S)
        parts.append(part)
    consumer.assign(parts)
    stopping: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: stopping.append(number))
    gc.disable()
    print("ready", flush=True)  # noqa: T201
    arrived: list[tuple[int, int, bytes]] = []
    while not stopping:
        first = consumer.poll(0.1)
        if first is None:
            continue
        messages = [first, *consumer.consume(_CHUNK, 0)]
        at_ns = time.monotonic_ns()
        arrived += [
            (at_ns, message.timestamp()[1], message.value())
            for message in messages
            if message.error() is None
        ]
    consumer.close()
    Path(file).write_bytes(msgspec.msgpack.encode(arrived))


if __name__ == "__main__":
    main()
