"""Which release of a model holds, and which version of it a user of this region gets.

Out of all copies of `model-releases` the highest (revision, region) of a model holds. Read by
`served_items` and by whoever calls the scorer. Pure.
"""

from collections.abc import Mapping

import msgspec
import xxhash

from schemas.codec import MessageDecoder, Reason, RefusedError, encode
from schemas.control import ModelRelease, Served
from streams.region.copies import Copy


class Releases:
    """What `model-releases` says, over all its copies. Called by one thread at a time."""

    def __init__(self) -> None:
        self.decoder: MessageDecoder[ModelRelease] = MessageDecoder("model-release")
        self._current: dict[str, ModelRelease] = {}

    def apply(self, copy: Copy) -> None:
        """Raises RefusedError for a record that cannot be used; what held before still does."""
        release = self.decoder.decode(copy.value, copy.schema)
        if copy.key != release.model.encode():
            raise RefusedError(
                Reason.OUT_OF_BOUNDS, f"key {copy.key!r} is not the model {release.model!r}"
            )
        known = self._current.get(release.model)
        if known is None or _rank(release) > _rank(known):
            self._current[release.model] = release

    def current(self, model: str) -> ModelRelease | None:
        return self._current.get(model)

    @property
    def models(self) -> Mapping[str, ModelRelease]:
        return self._current

    def served(self, model: str, region: str) -> Served | None:
        """What a region serves of a model; None: nothing yet, so the fallback answers."""
        release = self._current.get(model)
        return None if release is None else release.served.get(region)

    def version_for(self, model: str, region: str, user_id: str) -> str | None:
        """The version that scores this user here. A user stays on a canary's side while its share
        grows, in every region and worker alike.
        """
        served = self.served(model, region)
        if served is None:
            return None
        canary = served.canary
        if canary is not None and _point(model, canary.version, user_id) < canary.share:
            return canary.version
        return served.version


def _rank(release: ModelRelease) -> tuple[int, str, bytes]:
    # The bytes decide only between records that should not both exist, so that all agree on one.
    return release.revision, release.region, encode(release)


def _point(model: str, version: str, user_id: str) -> float:
    """Where a user stands between 0 and 1 (excluded) for this canary."""
    seed = msgspec.json.encode((model, version, user_id))
    return (xxhash.xxh3_64_intdigest(seed) >> 11) / (1 << 53)
