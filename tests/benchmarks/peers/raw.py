"""The floor: consume, decode, produce. No state, no transaction, no framework.

Whatever any engine on confluent-kafka does, it does this too.
"""

import gc

import msgspec
from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition

from schemas.events import AnyEvent
from tests.benchmarks.peers.progress import PARTITIONS, TOPIC, Call, Progress
from tests.benchmarks.peers.work import Slate

_CHUNK = 10_000


def main() -> None:
    call = Call.from_arguments()
    progress, slate = Progress(call.events), Slate(call.folder)
    decoder = msgspec.json.Decoder(AnyEvent)
    # As the lane's own clients (streams/lane/clients.py).
    consumer = Consumer(
        {
            "bootstrap.servers": call.broker,
            "group.id": call.output,
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "fetch.min.bytes": 1_000_000,
            "fetch.wait.max.ms": 25,
            "fetch.queue.backoff.ms": 5,
            "queued.max.messages.kbytes": 16_384,
        }
    )
    producer = Producer(
        {
            "bootstrap.servers": call.broker,
            "linger.ms": 5,
            "compression.type": "lz4",
            "partitioner": "murmur2_random",
            "queue.buffering.max.messages": 1_000_000,
        }
    )
    gc.freeze()
    gc.set_threshold(200_000, 20, 100)
    consumer.assign([TopicPartition(TOPIC, p, OFFSET_BEGINNING) for p in range(PARTITIONS)])
    while True:
        message = consumer.poll(1.0)
        if message is None:
            continue
        messages = [message, *consumer.consume(_CHUNK, 0)]
        if not progress.take(len(messages)):
            continue
        for message in messages:
            event = decoder.decode(message.value())
            producer.produce(
                call.output,
                slate.of(event.user_id, event.event_id),
                message.key(),
                message.partition(),
            )
        producer.poll(0)


if __name__ == "__main__":
    main()
