"""The `catalogue` stage: checks `item-updates` once, and dead-letters what no worker can use.

Every worker reads items in full and leaves out what it cannot use; this stage is where a producer
learns of it. Vectors of new items join it with the first text encoder.
"""

from schemas.codec import SCHEMA_HEADER, MessageDecoder, Reason, RefusedError
from schemas.items import ItemUpdate
from streams import metrics
from streams.lane.contract import Batch, Outcome, Produced, Record, Stateless
from streams.lane.dead_letters import dead_letter


class Catalogue(Stateless):
    def __init__(self) -> None:
        self._decoder: MessageDecoder[ItemUpdate] = MessageDecoder("item-update")

    async def start(self) -> None:
        """Nothing to make ready."""

    async def stop(self) -> None:
        """Nothing is held."""

    async def process(self, batch: Batch) -> Outcome:
        refused: list[Produced] = []
        for record in batch.records:
            try:
                self._check(record)
            except RefusedError as error:
                refused.append(dead_letter(record, error))
                metrics.DEAD_LETTERS.labels(record.topic(), error.reason).inc()
        return Outcome(produce=refused)

    def committed(self, batch: Batch, outcome: Outcome) -> None:
        """Counted by the lane."""

    def _check(self, record: Record) -> None:
        if record.value() is None and record.key():
            return  # frees the space of what was said
        schema = dict(record.headers() or ()).get(SCHEMA_HEADER)
        unknown = self._decoder.unknown_fields
        item = self._decoder.decode(record.value(), schema)
        if self._decoder.unknown_fields != unknown:
            metrics.UNKNOWN_FIELDS.labels(record.topic()).inc()
        if record.key() != item.item_id.encode():
            raise RefusedError(
                Reason.OUT_OF_BOUNDS,
                f"the key is not the item_id {item.item_id!r}; compaction goes by the key",
            )
