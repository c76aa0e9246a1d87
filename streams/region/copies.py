"""A record of a topic that every worker reads in full, own and mirrored copies alike.

Control topics and `item-updates` exist once in each region and are mirrored into the others. The
lane reads all copies and hands each record here to `region` and `catalogue`, which decide what
holds. Never read from Kafka here.
"""

from typing import NamedTuple

from schemas.codec import SCHEMA_HEADER


class Copy(NamedTuple):
    """`origin` is the region whose own topic the record was written to, also where it was read
    from a mirrored copy. `timestamp_ms` of topics with LogAppendTime is the append time.
    """

    topic: str
    origin: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes]]

    @property
    def schema(self) -> bytes | None:
        """The record's `schema` header."""
        return dict(self.headers).get(SCHEMA_HEADER)

    def where(self) -> str:
        """For sentences about this record."""
        return f"{self.topic} of {self.origin}, partition {self.partition}, offset {self.offset}"
