"""Rows of `user-events` and of its dead letters.

Pure: a record in, a row out. Called by `rows`.
"""

import msgspec
import xxhash

from schemas.codec import SCHEMA_HEADER, EventDecoder
from schemas.events import Context
from streams.lane import dead_letters
from streams.lane.contract import Record
from streams.stages.archive.cells import erasure_version_at, signed, time_ms, unsigned, version_at
from streams.stages.archive.tables import DeadLetterRow, UserEventRow
from streams.state.fold import FAST_CLOCK_MS

_decoder = EventDecoder()
_NOWHERE = Context()


def user_event_row(record: Record, origin: str) -> UserEventRow:
    """Raises RefusedError for what the recommend stage dead-letters."""
    value, appended_at_ms = record.value(), time_ms(record)
    schema = dict(record.headers() or ()).get(SCHEMA_HEADER)
    event = _decoder.decode_event(value, schema, appended_at_ms)
    context = event.context or _NOWHERE
    happened_at_ms = min(event.at_ms, appended_at_ms + FAST_CLOCK_MS)
    # Two copies may differ in no more than when and where they were appended.
    content = value, appended_at_ms.to_bytes(8, "big"), origin.encode()
    return UserEventRow(
        user_id=event.user_id,
        event_id=event.event_id,
        kind=event.kind,
        at_ms=event.at_ms,
        appended_at_ms=appended_at_ms,
        happened_at_ms=happened_at_ms,
        origin=origin,
        surface=event.surface,
        slate_limit=event.limit or 0,
        session_id=event.session_id or "",
        recommendation_id=event.recommendation_id or "",
        locale=context.locale or "",
        device=context.device or "",
        item_id=getattr(event, "item_id", ""),
        quantity=getattr(event, "quantity", 0),
        price=getattr(event, "price", None),
        currency=getattr(event, "currency", None) or "",
        rating_value=getattr(event, "value", None),
        rating_scale=getattr(event, "scale", None),
        epoch=signed(getattr(event, "epoch", 0)),
        position=unsigned(getattr(event, "position", 0), 32),
        text=getattr(event, "query", "") or getattr(event, "text", ""),
        followed_user_id=getattr(event, "followed_user_id", ""),
        row_version=(
            erasure_version_at(appended_at_ms, *content)
            if event.kind == "erase"
            else version_at(happened_at_ms, *content)
        ),
    )


def dead_letter_row(record: Record, region: str) -> DeadLetterRow:
    """Never refuses: keys, values and headers are kept byte for byte, whatever they are.

    The id is a hash of all of it, so a letter that is read again, from this topic or from one
    that was restored elsewhere, is the same row.
    """
    headers = record.headers() or []
    found = dict(headers)
    whole = (region, time_ms(record), record.key(), record.value(), headers)
    return DeadLetterRow(
        letter_id=xxhash.xxh3_128_hexdigest(msgspec.msgpack.encode(whole)),
        region=region,
        written_at_ms=time_ms(record),
        reason=found.get(dead_letters.REASON) or b"",
        detail=found.get(dead_letters.DETAIL) or b"",
        topic=found.get(dead_letters.TOPIC) or b"",
        partition=unsigned(_number(found.get(dead_letters.PARTITION)), 32),
        offset=unsigned(_number(found.get(dead_letters.OFFSET))),
        appended_at_ms=unsigned(_number(found.get(dead_letters.APPENDED))),
        key=record.key(),
        value=record.value(),
        headers__name=[name for name, _ in headers],
        headers__value=[content or b"" for _, content in headers],
    )


def _number(content: bytes | None) -> int:
    """0 for what is no number: a letter that somebody else wrote is kept too."""
    # 19 digits are what 64 bits hold; Python would spend seconds on a million.
    return int(content) if content and len(content) <= 19 and content.isdigit() else 0
