"""What every row needs: numbers that fit their column, and which of two copies is kept.

Pure. Called by the row functions only.
"""

import xxhash

from streams.lane.contract import Record

_TIME_BITS = 42
"""Milliseconds up to the year 2109."""
_HASH_BITS = 64 - _TIME_BITS
_MAX_TIME_MS = (1 << _TIME_BITS) - 1


def unsigned(value: int, bits: int = 64) -> int:
    """The nearest number that an unsigned column holds.

    JSON has integers of any size, and one that ClickHouse cannot hold must not stop the archive.
    """
    return min(max(value, 0), (1 << bits) - 1)


def signed(value: int, bits: int = 64) -> int:
    """The nearest number that a signed column holds."""
    half = 1 << (bits - 1)
    return min(max(value, -half), half - 1)


def time_ms(record: Record) -> int:
    """The record's own time; for topics with append times, and mirrored copies, that."""
    return unsigned(record.timestamp()[1])


def content_hash(*parts: bytes | None) -> int:
    """64 bits of what a row was made from; never of where it was read."""
    digest = xxhash.xxh3_64()
    for part in parts:
        content = part or b""
        digest.update(len(content).to_bytes(8, "big"))
        digest.update(content)
    return digest.intdigest()


def erasure_version_at(appended_at_ms: int, *parts: bytes | None) -> int:
    """The row version of an erasure: above that of whatever else came under its id, and of its own
    copies the last appended is the highest, because that is how far it erases.

    Times have the highest bit only from the year 2039 on.
    """
    return (1 << 63) | (version_at(appended_at_ms, *parts) >> 1)


def version_at(at_ms: int, *parts: bytes | None) -> int:
    """The row version that orders copies by (time, content), whatever order they arrive in.

    ClickHouse compares one UInt64: 42 bits of time, then 22 bits of a hash that stands for the
    content. So the later copy is kept, and of two that differ at the same millisecond always the
    same one; only for one such pair in four million the bits are equal and the last insert stays.
    """
    return (min(at_ms, _MAX_TIME_MS) << _HASH_BITS) | (content_hash(*parts) >> _TIME_BITS)
