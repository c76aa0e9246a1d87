"""Which topic gives which rows, and a batch's records as blocks of rows.

Pure: the same records give the same blocks in the same order. Called by the archive stage.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from schemas import topics
from schemas.codec import RefusedError
from schemas.topics import KIB, Topic
from streams.lane.contract import Record
from streams.stages.archive.control_rows import (
    experiment_row,
    model_release_row,
    region_ownership_row,
    state_digest_row,
)
from streams.stages.archive.event_rows import dead_letter_row, user_event_row
from streams.stages.archive.item_rows import item_update_row, item_vector_row
from streams.stages.archive.slate_rows import recommendation_row
from streams.stages.archive.tables import Row

RowFunction = Callable[[Record, str], Row | None]
"""Of a record and its origin region; raises RefusedError, None means there is nothing to keep."""

ROWS: dict[Topic, RowFunction] = {
    topics.USER_EVENTS: user_event_row,
    topics.RECOMMENDATIONS: recommendation_row,
    topics.DEAD_LETTERS: dead_letter_row,
    topics.ITEM_UPDATES: item_update_row,
    topics.ITEM_VECTORS: item_vector_row,
    topics.STATE_DIGESTS: state_digest_row,
    topics.MODEL_RELEASES: model_release_row,
    topics.EXPERIMENTS: experiment_row,
    topics.REGION_OWNERSHIP: region_ownership_row,
}

_BLOCK_BYTES = 16 * KIB * KIB
"""Of record values in one insert: events may be large, and the server's memory is not ours."""


@dataclass
class Block:
    """Rows for one insert, and the records that they were made from."""

    kind: type[Row]
    rows: list[Row] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    value_bytes: int = 0

    def has_room(self, block_rows: int) -> bool:
        return len(self.rows) < block_rows and self.value_bytes < _BLOCK_BYTES

    def add(self, row: Row, record: Record) -> None:
        self.rows.append(row)
        self.records.append(record)
        self.value_bytes += len(record.value() or b"")


@dataclass(frozen=True)
class Rows:
    """What a batch comes to. `skipped` counts records without a row, by (topic, reason)."""

    blocks: list[Block]
    skipped: Counter[tuple[str, str]]


def topic_and_origin(name: str, region: str) -> tuple[Topic, str]:
    """`east.user-events` is the copy of east's user events; without a prefix it is our own.

    Raises KeyError for a topic that is not archived.
    """
    if name in topics.BY_NAME:
        topic, origin = topics.BY_NAME[name], region
    else:
        origin, _, source = name.partition(".")
        topic = topics.BY_NAME[source]
    if topic not in ROWS:
        raise KeyError(name)
    return topic, origin


def rows_of(records: Sequence[Record], region: str, block_rows: int) -> Rows:
    """The rows of these records, in their order, at most `block_rows` a block."""
    open_blocks: dict[type[Row], Block] = {}
    blocks: list[Block] = []
    skipped: Counter[tuple[str, str]] = Counter()
    known: dict[str, tuple[RowFunction, str]] = {}
    for record in records:
        name = record.topic()
        if name not in known:
            topic, origin = topic_and_origin(name, region)
            known[name] = ROWS[topic], origin
        make, origin = known[name]
        try:
            row = make(record, origin)
        except RefusedError as refused:
            skipped[name, str(refused.reason)] += 1
            continue
        if row is None:
            continue
        block = open_blocks.get(type(row))
        if block is None or not block.has_room(block_rows):
            block = open_blocks[type(row)] = Block(type(row))
            blocks.append(block)
        block.add(row, record)
    return Rows(blocks, skipped)
