"""Rows of `item-updates` and `item-vectors`.

Pure: a record in, a row out, or None for a null value, which only frees space on its topic.
Called by `rows`.
"""

from schemas.codec import SCHEMA_HEADER, MessageDecoder, Reason, RefusedError
from schemas.items import ItemUpdate, ItemVector
from streams.lane.contract import Record
from streams.stages.archive.cells import signed, time_ms, unsigned, version_at
from streams.stages.archive.tables import ItemUpdateRow, ItemVectorRow

_decoder: MessageDecoder[ItemUpdate] = MessageDecoder("item-update")


def item_update_row(record: Record, origin: str) -> ItemUpdateRow | None:
    """Raises RefusedError."""
    value = record.value()
    if value is None:
        return None
    item = _decoder.decode(value, dict(record.headers() or ()).get(SCHEMA_HEADER))
    return ItemUpdateRow(
        item_id=item.item_id,
        origin=origin,
        appended_at_ms=time_ms(record),
        at_ms=signed(item.at_ms),
        title=item.title,
        description=item.description or "",
        categories=item.categories,
        brand=item.brand or "",
        price=item.price,
        currency=item.currency or "",
        tags=item.tags,
        available=item.available,
        # Within one topic the last record counts, also of two in one millisecond. A mirror
        # keeps their order, so the highest offset means the same record in every region.
        row_version=unsigned(record.offset()),
    )


def item_vector_row(record: Record, region: str) -> ItemVectorRow | None:
    """Raises RefusedError."""
    key, value = record.key(), record.value()
    if value is None:
        return None
    try:
        model, version, item_id = (key or b"").decode().split("/", 2)
        vector = ItemVector.decode(value)
    except ValueError as error:
        raise RefusedError(Reason.WRONG_TYPE, str(error)) from None
    made_at_ms = time_ms(record)
    return ItemVectorRow(
        model=model,
        model_version=version,
        item_id=item_id,
        region=region,
        made_at_ms=made_at_ms,
        text_hash=vector.text_hash,
        vector=vector.values,
        row_version=version_at(made_at_ms, value),
    )
