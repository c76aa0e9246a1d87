"""Placement as Kafka's own clients compute it, and what a forwarded record looks like."""

import pytest

from streams.lane.forwarding import forwarded, murmur2, partition_of
from tests.streams.records import FakeRecord

# From Kafka's own UtilsTest.testMurmur2, as unsigned numbers.
KAFKAS_OWN = {
    b"21": -973932308,
    b"foobar": -790332482,
    b"a-little-bit-long-string": -985981536,
    b"a-little-bit-longer-string": -1486304829,
    b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    b"abc": 479470107,
}


@pytest.mark.parametrize(("key", "expected"), KAFKAS_OWN.items())
def test_murmur2_is_kafkas(key: bytes, expected: int) -> None:
    assert murmur2(key) == expected % 2**32


def test_users_spread_over_all_partitions() -> None:
    placed = [partition_of(f"user-{number}", 8) for number in range(8000)]
    assert all(placed.count(partition) > 800 for partition in range(8))


def test_a_forwarded_record_keeps_its_bytes_and_says_where_it_was() -> None:
    record = FakeRecord(b"the value", partition=3, offset=17, headers=[("schema", b"user-event/1")])
    sent = forwarded(record, "user-events", "kim", 5)
    assert (sent.topic, sent.key, sent.value, sent.partition) == (
        "user-events",
        b"kim",
        b"the value",
        5,
    )
    assert sent.headers == [("schema", b"user-event/1"), ("forwarded-from", b"user-events-3@17")]
