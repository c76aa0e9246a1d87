"""The `catalogue` stage: checks `item-updates` once, and has vectors made of items that are new.

Every worker reads items in full and leaves out what it cannot use; this stage is where a producer
learns of it. Beside that it keeps `item-vectors` what it should be (missing_vectors.py), whatever
was read or missed: each slot looks after its share of the items, and Triton's encoder is asked once
for each text. While Triton is away, items only wait.
"""

import logging
import time
from collections.abc import Sequence

import xxhash

from schemas.codec import SCHEMA_HEADER, MessageDecoder, Reason, RefusedError
from schemas.items import ItemUpdate, ItemVector, text_hash, vector_key
from schemas.serving import MAX_TEXTS
from schemas.topics import ITEM_UPDATES, ITEM_VECTORS
from streams import metrics
from streams.catalogue.encoder import Encoder, EncoderError
from streams.catalogue.missing_vectors import Missing, missing
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

log = logging.getLogger(__name__)

_RETRY_S = 1.0
"""After Triton failed."""
_READ_BACK_S = 10.0
"""What was written and is not read by then is written again."""
_LOOKS_SHARE = 0.1
"""Of the time may be spent looking through a large catalogue for what is missing."""


class Catalogue(Stateless):
    def __init__(self, node: Node, settings: Settings, fatal: Fatal) -> None:
        self._decoder: MessageDecoder[ItemUpdate] = MessageDecoder("item-update")
        self._fatal = fatal
        self._most = settings.new_items
        self._slots = ITEM_UPDATES.partitions.count(settings.partitions)
        self._known = Known(node, settings)
        self._encoder = Encoder(settings.triton)
        self._missing: list[list[Missing]] = [[] for _ in range(self._slots)]
        self._seen: object = None
        """Of what the list was made."""
        self._looks_again_s = 0.0
        self._asks_again_s = 0.0
        self._written: dict[tuple[str, int | None], float] = {}
        """Key and text hash of what was written and not read yet, and when."""

    async def start(self) -> None:
        await self._known.start(self._fatal)

    async def stop(self) -> None:
        await self._known.stop()
        await self._encoder.close()

    def wants(self, slot: Slot, behind: Offsets) -> bool:  # noqa: ARG002
        now_s = time.monotonic()
        if now_s < self._asks_again_s:
            return False
        self._look(now_s)
        return any(self._is_unwritten(one, now_s) for one in self._of(slot))

    async def process(self, batch: Batch) -> Outcome:
        refused: list[Produced] = []
        for record in batch.records:
            try:
                self._check(record)
            except RefusedError as error:
                refused.append(dead_letter(record, error))
                metrics.DEAD_LETTERS.labels(record.topic(), error.reason).inc()
        return Outcome(produce=[*refused, *await self._vectors(batch.slot)])

    def committed(self, batch: Batch, outcome: Outcome) -> None:
        """Counted by the lane."""

    def report(self, slot: Slot, behind: Offsets) -> StageWait | None:  # noqa: ARG002
        is_failing = time.monotonic() < self._asks_again_s
        return "triton" if is_failing and self._of(slot) else None

    async def _vectors(self, slot: Slot) -> Sequence[Produced]:
        """The next few records for `item-vectors`, all of one version."""
        now_s = time.monotonic()
        if now_s < self._asks_again_s:
            return []
        self._look(now_s)
        waiting = [one for one in self._of(slot) if self._is_unwritten(one, now_s)]
        some = [one for one in waiting if one.version == waiting[0].version][:MAX_TEXTS]
        try:
            values = await self._encode(some)
        except EncoderError as error:
            self._asks_again_s = time.monotonic() + _RETRY_S
            log.warning("new items wait: %s", error)
            return []
        self._written |= dict.fromkeys(map(_identity, some), now_s)
        return [
            Produced(ITEM_VECTORS.name, _key(one).encode(), value)
            for one, value in zip(some, values, strict=True)
        ]

    async def _encode(self, some: Sequence[Missing]) -> list[bytes | None]:
        """The value of each, all of one version. Raises EncoderError."""
        texts = [one.text for one in some if one.text is not None]
        if not texts:
            return [None] * len(some)
        version = some[0].version.version
        release = self._known.catalogue.release(version)
        if release is None or release.space is None:
            raise EncoderError(f"version {version} is not served any more")
        found = await self._encoder.encode(texts, version, release.space.dim)  # (texts, dim)
        made = {
            text: ItemVector(text_hash(text), tuple(row)).encode()
            for text, row in zip(texts, found.tolist(), strict=True)
        }
        return [None if one.text is None else made[one.text] for one in some]

    def _look(self, now_s: float) -> None:
        """Find what is missing, if anything changed since."""
        served = self._known.served.all_served
        versions = None if served is None else [one.version for one in served]
        seen = (self._known.catalogue.digest, self._known.vectors.revision, versions)
        if seen == self._seen or now_s < self._looks_again_s or served is None:
            return
        found = missing(self._known.catalogue, served, self._known.vectors, self._most)
        self._missing = [[] for _ in range(self._slots)]
        for one in found:
            self._missing[xxhash.xxh3_64_intdigest(one.item_id.encode()) % self._slots].append(one)
        there = {_identity(one) for of_slot in self._missing for one in of_slot}
        self._written = {key: at for key, at in self._written.items() if key in there}
        self._seen = seen
        self._looks_again_s = now_s + (time.monotonic() - now_s) / _LOOKS_SHARE

    def _of(self, slot: Slot) -> Sequence[Missing]:
        return self._missing[slot.partition] if slot.partition < self._slots else ()

    def _is_unwritten(self, one: Missing, now_s: float) -> bool:
        return now_s - self._written.get(_identity(one), -_READ_BACK_S) >= _READ_BACK_S

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


def _key(one: Missing) -> str:
    return vector_key(*one.version, one.item_id)


def _identity(one: Missing) -> tuple[str, int | None]:
    return _key(one), None if one.text is None else text_hash(one.text)
