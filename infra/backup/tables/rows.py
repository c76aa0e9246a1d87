"""Rows as records of a backup's file: of each the columns' values in msgpack, without a key."""

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from infra.backup.blocks import Record
from infra.backup.tables.server import Row

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(list[Any])


def packed(rows: Iterable[Row]) -> Iterator[Record]:
    return ((b"", _encoder.encode(row)) for row in rows)


def unpacked(records: Iterable[Record]) -> Iterator[Row]:
    """Raises ValueError for what are no rows."""
    for _, value in records:
        try:
            yield _decoder.decode(value)
        except msgspec.MsgspecError as error:
            raise ValueError(f"it holds something else than rows: {error}") from None
