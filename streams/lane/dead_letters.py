"""A refused record as it goes to the dead-letter topic: why, where it was, and its own bytes.

Its own headers come first, so that a replay can put the record back as it was.
"""

import xxhash

from schemas.codec import RefusedError
from schemas.topics import DEAD_LETTERS, KIB, MAX_EVENT_BYTES
from streams.lane.contract import Produced, Record

CUT_BYTES = 64 * KIB
"""What is kept of a value that is too large."""
REASON, DETAIL, TOPIC, PARTITION, OFFSET, APPENDED = (
    "dead-letter-reason",
    "dead-letter-detail",
    "dead-letter-topic",
    "dead-letter-partition",
    "dead-letter-offset",
    "dead-letter-appended-at-ms",
)
BYTES, HASH = "dead-letter-bytes", "dead-letter-xxh3-128"
"""Only on a cut value: the size and hash of the whole."""
_MAX_KEY_BYTES = 4 * KIB
_MAX_DETAIL = 500
PREFIX = "dead-letter-"


def dead_letter(record: Record, refused: RefusedError) -> Produced:
    """Never larger than the broker takes, whatever the record was."""
    value, key = record.value(), record.key()
    position = {
        REASON: str(refused.reason),
        DETAIL: refused.detail[:_MAX_DETAIL],
        TOPIC: record.topic(),
        PARTITION: str(record.partition()),
        OFFSET: str(record.offset()),
        APPENDED: str(record.timestamp()[1]),
    }
    if value is not None and len(value) > MAX_EVENT_BYTES:
        position[BYTES] = str(len(value))
        position[HASH] = xxhash.xxh3_128_hexdigest(value)
        value = value[:CUT_BYTES]
    own = [(name, content) for name, content in record.headers() or [] if _fits(name, content)]
    named = [(name, content.encode(errors="replace")) for name, content in position.items()]
    return Produced(DEAD_LETTERS.name, key[:_MAX_KEY_BYTES] if key else key, value, [*own, *named])


def _fits(name: str, content: bytes | None) -> bool:
    """A header of its own could be as huge as a value; and one of ours must not be faked."""
    return len(content or b"") <= _MAX_KEY_BYTES and not name.startswith(PREFIX)
