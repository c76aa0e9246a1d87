"""Where items newer than a release lie by their text: the vectors of `item-vectors`, by version.

Fed with every record of this region's topic; read by the slate, which compares users with them, by
`made_from`, and by the stage that writes the topic. Two workers that have read the same agree.
Never reads Kafka, a clock or a file. Called by one thread at a time.
"""

import logging
from collections import defaultdict
from collections.abc import Mapping
from typing import NamedTuple

import msgspec
import numpy as np
import xxhash
from numpy.typing import NDArray

from schemas.codec import Reason, RefusedError
from schemas.identifiers import item_hash
from schemas.items import ItemVector
from streams.region.copies import Copy

log = logging.getLogger(__name__)

NO_VECTORS = "0" * 16
"""The digest of none at all."""
_DIGEST_BITS = 64


class Version(NamedTuple):
    """Of a model, as the topic's keys name it."""

    model: str
    version: str


class Held(NamedTuple):
    """Items that can be compared: their hashes (n,), and where they lie, (n, dim)."""

    items: NDArray[np.uint64]
    places: NDArray[np.float32]


class _Vector(NamedTuple):
    text_hash: int
    place: NDArray[np.float32]  # (dim,)
    digest: int


class Vectors:
    """Never more than `most` of a version; the stage that writes them keeps well below."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._of: dict[Version, dict[str, _Vector]] = defaultdict(dict)
        self._sum: dict[Version, int] = defaultdict(int)
        self._held: dict[Version, Held] = {}
        self._full: set[Version] = set()
        self.revision = 0
        """Grows with each record."""

    def apply(self, copy: Copy) -> None:
        """Raises RefusedError for a record that cannot be used; what was there before is gone."""
        version, item_id = _key(copy.key)
        vectors = self._of[version]
        self._put(version, vectors.pop(item_id, None), -1)
        if copy.value is None:
            return
        try:
            vector = ItemVector.decode(copy.value)
        except ValueError as error:
            raise RefusedError(Reason.WRONG_TYPE, str(error)) from None
        place = np.array(vector.values, np.float32)  # (dim,)
        if not np.isfinite(place).all():
            raise RefusedError(Reason.OUT_OF_BOUNDS, "the vector is not of finite numbers")
        if len(vectors) >= self._most:
            self._tell_full(version)
            return
        digest = xxhash.xxh3_64_intdigest(msgspec.json.encode((item_id, vector.text_hash)))
        vectors[item_id] = _Vector(vector.text_hash, place, digest)
        self._put(version, vectors[item_id], 1)

    def held(self, version: Version, dim: int) -> Held | None:
        """Those of a version that have `dim` numbers; None where there are none."""
        found = self._held.get(version)
        if found is None:
            fitting = {i: v for i, v in self._of.get(version, {}).items() if len(v.place) == dim}
            if not fitting:
                return None
            found = Held(
                np.fromiter(map(item_hash, fitting), np.uint64, len(fitting)),
                np.stack([vector.place for vector in fitting.values()]),
            )
            self._held[version] = found
        return found

    def text_hashes(self, version: Version) -> Mapping[str, int]:
        """What each vector of a version was made of, by item."""
        return {item: vector.text_hash for item, vector in self._of.get(version, {}).items()}

    @property
    def versions(self) -> list[Version]:
        return [version for version, vectors in self._of.items() if vectors]

    def digest(self, version: Version) -> str:
        """16 hex digits over what went in, whatever the order it came in; never of a float."""
        return f"{self._sum.get(version, 0):016x}"

    def count(self, version: Version) -> int:
        return len(self._of.get(version, ()))

    def _put(self, version: Version, vector: _Vector | None, sign: int) -> None:
        self.revision += 1
        if vector is not None:
            self._sum[version] = (self._sum[version] + sign * vector.digest) % (1 << _DIGEST_BITS)
            self._held.pop(version, None)

    def _tell_full(self, version: Version) -> None:
        if version not in self._full:
            self._full.add(version)
            log.warning(
                "item-vectors has more than %d of %s %s, the others are left out;"
                " TIDEMILL_NEW_ITEMS must be the same for all workers of a region",
                self._most, *version,
            )  # fmt: skip


def _key(key: bytes | None) -> tuple[Version, str]:
    """Raises RefusedError."""
    try:
        model, version, item_id = (key or b"").decode().split("/", 2)
    except ValueError:
        raise RefusedError(
            Reason.OUT_OF_BOUNDS, f"the key {key!r} is not model/version/item_id"
        ) from None
    return Version(model, version), item_id
