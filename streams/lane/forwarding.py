"""Which partition a user belongs to, and how a misplaced record gets there.

Kafka's own clients place a key by murmur2; librdkafka's default, kcat and a null key do not. A
user split over two partitions would have two half histories, so the region whose local topic
holds such a record forwards it, and does not fold it.
"""

from streams.lane.contract import Headers, Produced, Record

FORWARDED_FROM = "forwarded-from"
PRODUCER = "producer"
"""An optional header by which a producer can be named in the warning."""


def partition_of(user_id: str, partitions: int) -> int:
    """Where Kafka's DefaultPartitioner puts this key."""
    return (murmur2(user_id.encode()) & 0x7FFFFFFF) % partitions


def murmur2(data: bytes) -> int:
    """MurmurHash2, 32 bit, with the seed of org.apache.kafka.common.utils.Utils.murmur2."""
    length = len(data)
    mixed = 0x9747B28C ^ length
    for start in range(0, length - 3, 4):
        word = int.from_bytes(data[start : start + 4], "little")
        word = (word * 0x5BD1E995) & 0xFFFFFFFF
        word ^= word >> 24
        word = (word * 0x5BD1E995) & 0xFFFFFFFF
        mixed = ((mixed * 0x5BD1E995) & 0xFFFFFFFF) ^ word
    tail = data[length & ~3 :]
    if tail:
        mixed ^= int.from_bytes(tail, "little")
        mixed = (mixed * 0x5BD1E995) & 0xFFFFFFFF
    mixed ^= mixed >> 13
    mixed = (mixed * 0x5BD1E995) & 0xFFFFFFFF
    return mixed ^ (mixed >> 15)


def forwarded(record: Record, topic: str, user_id: str, partition: int) -> Produced:
    """The same record for the partition it belongs to, with where it was found."""
    found: Headers = list(record.headers() or [])
    source = f"{record.topic()}-{record.partition()}@{record.offset()}"
    return Produced(
        topic,
        user_id.encode(),
        record.value(),
        [*found, (FORWARDED_FROM, source.encode())],
        partition,
    )


def producer_of(record: Record) -> str:
    """What the producer calls itself, for a warning; `unknown` if it does not say."""
    named = dict(record.headers() or []).get(PRODUCER)
    return named.decode(errors="replace")[:64] if named else "unknown"
