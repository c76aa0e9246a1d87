"""Keeps `item-vectors` what it should be: the records that are missing, a few at a time.

What is missing is found again whenever items, vectors or releases changed (missing_vectors.py), so
it does not matter what was read, missed or written twice before. Each slot of the stage looks after
its share of the items, by their hash. Triton's encoder is asked once for each text; while it is
away, items only wait. Called by the catalogue stage.
"""

import logging
import time
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
import xxhash
from numpy.typing import NDArray

from schemas.items import ItemVector, text_hash, vector_key
from schemas.serving import MAX_TEXTS
from schemas.topics import ITEM_VECTORS
from streams.catalogue.encoder import EncoderError
from streams.catalogue.items import Catalogue
from streams.catalogue.missing_vectors import Missing, missing
from streams.catalogue.served_items import ServedItems
from streams.catalogue.vectors import Vectors
from streams.lane.contract import Produced

log = logging.getLogger(__name__)

RETRY_S = 1.0
"""After Triton failed."""
READ_BACK_S = 10.0
"""What was written and is not read by then is written again."""
_LOOKS_SHARE = 0.1
"""Of the time may be spent looking through a large catalogue for what is missing."""


class Encodes(Protocol):
    async def encode(self, texts: Sequence[str], version: str, dim: int) -> NDArray[np.float32]:
        """(texts, dim). Raises EncoderError."""


class Upkeep:
    """`most` vectors a version; `slots` share the items. `clock` is monotonic, in seconds."""

    def __init__(
        self,
        catalogue: Catalogue,
        served: ServedItems,
        vectors: Vectors,
        encoder: Encodes,
        most: int,
        slots: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._catalogue = catalogue
        self._served = served
        self._vectors = vectors
        self._encoder = encoder
        self._most = most
        self._clock = clock
        self._missing: list[list[Missing]] = [[] for _ in range(slots)]
        self._seen: object = None
        """Of what these lists were made."""
        self._looks_again_s = 0.0
        self._asks_again_s = 0.0
        self._written: dict[tuple[str, int | None], float] = {}
        """Key and text hash of what was written and not read yet, and when."""

    def is_waiting(self, slot: int) -> bool:
        """Whether Triton does not encode what is missing here."""
        return self._clock() < self._asks_again_s and bool(self._of(slot))

    def wants(self, slot: int) -> bool:
        """Whether there is something to write now."""
        return bool(self._next(slot))

    async def take(self, slot: int) -> list[Produced]:
        """The next few records, of one version."""
        some = self._next(slot)
        if not some:
            return []
        try:
            values = await self._values(some)
        except EncoderError as error:
            self._asks_again_s = self._clock() + RETRY_S
            log.warning("new items wait: %s", error)
            return []
        self._written |= dict.fromkeys(map(_identity, some), self._clock())
        return [
            Produced(ITEM_VECTORS.name, _key(one).encode(), value)
            for one, value in zip(some, values, strict=True)
        ]

    def _next(self, slot: int) -> Sequence[Missing]:
        now_s = self._clock()
        if now_s < self._asks_again_s:
            return []
        self._look(now_s)
        waiting = [
            one
            for one in self._of(slot)
            if now_s - self._written.get(_identity(one), -READ_BACK_S) >= READ_BACK_S
        ]
        return [one for one in waiting if one.version == waiting[0].version][:MAX_TEXTS]

    def _look(self, now_s: float) -> None:
        """Find what is missing, if anything changed since."""
        served = self._served.all_served
        if served is None or now_s < self._looks_again_s:
            return
        versions = [release.version for release in served]
        seen = (self._catalogue.digest, self._vectors.revision, versions)
        if seen == self._seen:
            return
        began_s = time.monotonic()
        self._missing = [[] for _ in self._missing]
        for one in missing(self._catalogue, served, self._vectors, self._most):
            slot = xxhash.xxh3_64_intdigest(one.item_id.encode()) % len(self._missing)
            self._missing[slot].append(one)
        there = {_identity(one) for of_slot in self._missing for one in of_slot}
        self._written = {key: at for key, at in self._written.items() if key in there}
        self._seen = seen
        self._looks_again_s = now_s + (time.monotonic() - began_s) / _LOOKS_SHARE

    def _of(self, slot: int) -> Sequence[Missing]:
        return self._missing[slot] if slot < len(self._missing) else ()

    async def _values(self, some: Sequence[Missing]) -> list[bytes | None]:
        """Of each, all of one version. Raises EncoderError."""
        texts = [one.text for one in some if one.text is not None]
        if not texts:
            return [None] * len(some)
        version = some[0].version.version
        release = self._catalogue.release(version)
        if release is None or release.space is None:
            raise EncoderError(f"version {version} is not served any more")
        found = await self._encoder.encode(texts, version, release.space.dim)  # (texts, dim)
        made = {
            text: ItemVector(text_hash(text), tuple(row)).encode()
            for text, row in zip(texts, found.tolist(), strict=True)
        }
        return [None if one.text is None else made[one.text] for one in some]


def _key(one: Missing) -> str:
    return vector_key(*one.version, one.item_id)


def _identity(one: Missing) -> tuple[str, int | None]:
    return _key(one), None if one.text is None else text_hash(one.text)
