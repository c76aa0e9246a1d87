"""Records of the topics that are read in full, for the tests of their readers."""

from typing import Any

import msgspec

from streams.region.copies import Copy


def copy_of(  # one argument a field
    message: msgspec.Struct | bytes | None,
    *,
    key: str | bytes | None,
    topic: str = "region-ownership",
    origin: str = "east",
    partition: int = 0,
    offset: int = 0,
    timestamp_ms: int = 1_700_000_000_000,
    headers: list[tuple[str, bytes]] | None = None,
) -> Copy:
    """A record as the lane hands it over."""
    value = msgspec.json.encode(message) if isinstance(message, msgspec.Struct) else message
    raw_key = key.encode() if isinstance(key, str) else key
    return Copy(topic, origin, partition, offset, timestamp_ms, raw_key, value, headers or [])


def content(message: msgspec.Struct | None) -> Any:
    """For comparing: the decoder's own types are not equal to the declared ones."""
    return msgspec.to_builtins(message)
