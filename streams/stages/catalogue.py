"""The `catalogue` stage: checks `item-updates` once, and has vectors made of items that are new.

Every worker reads items in full and leaves out what it cannot use; this stage is where a producer
learns of it. Beside that it keeps `item-vectors` what it should be (streams/catalogue/upkeep.py),
also where no record comes.
"""

from schemas.codec import SCHEMA_HEADER, MessageDecoder, Reason, RefusedError
from schemas.items import ItemUpdate
from schemas.topics import ITEM_UPDATES
from streams import metrics
from streams.catalogue.encoder import Encoder
from streams.catalogue.upkeep import Upkeep
from streams.lane.contract import (
    Batch,
    Offsets,
    Outcome,
    Produced,
    Record,
    Slot,
    StageWait,
    Stateless,
)
from streams.lane.dead_letters import dead_letter
from streams.lane.errors import Fatal
from streams.settings import Settings
from streams.stages.known import Known
from streams.topology import Node


class Catalogue(Stateless):
    def __init__(self, node: Node, settings: Settings, fatal: Fatal) -> None:
        self._decoder: MessageDecoder[ItemUpdate] = MessageDecoder("item-update")
        self._fatal = fatal
        self._known = Known(node, settings)
        self._encoder = Encoder(settings.triton)
        self._upkeep = Upkeep(
            self._known.catalogue,
            self._known.served,
            self._known.vectors,
            self._encoder,
            settings.new_items,
            ITEM_UPDATES.partitions.count(settings.partitions),
        )

    async def start(self) -> None:
        await self._known.start(self._fatal)

    async def stop(self) -> None:
        await self._known.stop()
        await self._encoder.close()

    def wants(self, slot: Slot, behind: Offsets) -> bool:  # noqa: ARG002
        return self._upkeep.wants(slot.partition)

    async def process(self, batch: Batch) -> Outcome:
        refused: list[Produced] = []
        for record in batch.records:
            try:
                self._check(record)
            except RefusedError as error:
                refused.append(dead_letter(record, error))
                metrics.DEAD_LETTERS.labels(record.topic(), error.reason).inc()
        return Outcome(produce=[*refused, *await self._upkeep.take(batch.slot.partition)])

    def committed(self, batch: Batch, outcome: Outcome) -> None:
        """Counted by the lane."""

    def report(self, slot: Slot, behind: Offsets) -> StageWait | None:  # noqa: ARG002
        return "triton" if self._upkeep.is_waiting(slot.partition) else None

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
