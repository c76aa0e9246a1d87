"""The identifiers that messages share, with their bounds, and the hashes that stand for them.

Bounds are in characters. Whatever is longer or empty is refused by the codec, never cut.
"""

from typing import Annotated

import msgspec
import xxhash

UserId = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
EventId = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
ItemId = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
Surface = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
Natural = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
"""A number that a producer sends and an archive's column must hold: 0 or more, 63 bits."""

DEFAULT_SURFACE = "main"
NO_ITEM = 0
"""Stands for 'no item' in tensors and histories; `item_hash` never gives it."""


def item_hash(item_id: str) -> int:
    """The item as states and tensors know it: xxh3 of its UTF-8 bytes, 64 bit unsigned, never 0."""
    return xxhash.xxh3_64_intdigest(item_id.encode()) or 1


def event_hash(event_id: str) -> int:
    """An event within its user's history: xxh3 of its UTF-8 bytes, 64 bit unsigned."""
    return xxhash.xxh3_64_intdigest(event_id.encode())


def user_hash(user_id: str) -> int:
    """Another person in a user's state: xxh3 of the UTF-8 bytes, 64 bit unsigned."""
    return xxhash.xxh3_64_intdigest(user_id.encode())


def recommendation_id(user_id: str, event_id: str, surface: str) -> str:
    """The same 32 hex digits in every region for the slate that one cause asks for.

    The three parts are hashed as a JSON array, so no two triples are written alike.
    """
    return xxhash.xxh3_128_hexdigest(msgspec.json.encode((user_id, event_id, surface)))
