"""What can be shown: the messages of `item-updates` (JSON) and `item-vectors` (binary)."""

import struct
from collections.abc import Iterable
from typing import Annotated

import msgspec
import xxhash

from schemas.identifiers import ItemId, Natural

Label = Annotated[str, msgspec.Meta(max_length=256)]


class ItemUpdate(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An item as the shop describes it now; the newest record of an item replaces the others.

    Withdrawal is `available=False`. A null value on the topic only frees space.
    """

    item_id: ItemId
    title: Annotated[str, msgspec.Meta(max_length=1024)]
    at_ms: Natural
    description: str | None = None
    categories: list[Label] = []
    brand: Label | None = None
    price: Annotated[float, msgspec.Meta(ge=0)] | None = None
    currency: str | None = None
    tags: list[Label] = []
    available: bool = True


def item_text(
    title: str | None,
    categories: Iterable[str] = (),
    *,
    brand: str | None = None,
    tags: Iterable[str] = (),
    description: str | None = None,
) -> str:
    """An item in one line, as a text encoder is given it; empty where nothing is known."""
    return " | ".join(part for part in (title, *categories, brand, *tags, description) if part)


def text_hash(text: str) -> int:
    """What an ItemVector says of the text that went in."""
    return xxhash.xxh3_64_intdigest(text.encode())


_VECTOR_HEAD = struct.Struct(">BHQ")
VECTOR_FORMAT = 1


class ItemVector(msgspec.Struct, frozen=True):
    """An item's place in a model's space, made from its text.

    Layout, version 1: u8 format, u16 dim, u64 xxh3 of the text that went in (big-endian), then
    dim float32, little-endian. The record's key is `vector_key(...)`.
    """

    text_hash: int
    values: tuple[float, ...]  # (dim,)

    def encode(self) -> bytes:
        head = _VECTOR_HEAD.pack(VECTOR_FORMAT, len(self.values), self.text_hash)
        return head + struct.pack(f"<{len(self.values)}f", *self.values)

    @classmethod
    def decode(cls, data: bytes) -> "ItemVector":
        """Raises ValueError for another format or a length that does not fit."""
        if not data or data[0] != VECTOR_FORMAT:
            raise ValueError(f"item vector format {data[:1].hex() or 'empty'} is not known")
        if len(data) < _VECTOR_HEAD.size:
            raise ValueError(f"item vector of {len(data)} bytes has no head")
        _, dim, text_hash = _VECTOR_HEAD.unpack_from(data)
        if len(data) != _VECTOR_HEAD.size + 4 * dim:
            raise ValueError(f"item vector of {len(data)} bytes does not hold {dim} floats")
        return cls(text_hash, struct.unpack_from(f"<{dim}f", data, _VECTOR_HEAD.size))


def vector_key(model: str, version: str, item_id: str) -> str:
    """The key of an item's vector on `item-vectors`."""
    return f"{model}/{version}/{item_id}"
