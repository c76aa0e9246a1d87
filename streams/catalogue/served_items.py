"""Keeps the catalogue's release items those of what this region serves.

Called by the worker after `model-releases` was read to its end, after each of its records, and
now and then, so that a load that failed is tried again. Never blocks the event loop.
"""

import asyncio
import logging
from collections.abc import Collection

from schemas.control import ModelRelease
from schemas.serving import MODEL
from streams.catalogue.items import Catalogue
from streams.catalogue.release_items import ReleaseError, ReleaseItems, read_release_items
from streams.catalogue.releases import Releases

log = logging.getLogger(__name__)

LOAD_DEADLINE_S = 60
"""For one release's table; remote files of a large catalogue take seconds."""


class ServedItems:
    """`refresh` is safe to call at any time and any number of times."""

    def __init__(
        self, catalogue: Catalogue, releases: Releases, region: str, model: str = MODEL
    ) -> None:
        self._catalogue = catalogue
        self._releases = releases
        self._region = region
        self._model = model
        self._loaded: dict[tuple[str, str, str], ReleaseItems] = {}
        self._failure: str | None = None
        self._one_at_a_time = asyncio.Lock()

    @property
    def all_served(self) -> Collection[ReleaseItems] | None:
        """What this region serves now, each with its items; None while that is not known."""
        return list(self._loaded.values()) if list(self._wanted()) == list(self._loaded) else None

    async def refresh(self) -> str | None:
        """Take up the tables of the served version and of its canary. Returns a sentence if that
        failed: the catalogue then keeps what it had.
        """
        async with self._one_at_a_time:
            failure = None
            try:
                await self._refresh()
            except ReleaseError as error:
                failure = f"the items of {self._model} stay as they were: {error}"
            if failure is not None and failure != self._failure:
                log.error("%s", failure)
            self._failure = failure
            return failure

    async def _refresh(self) -> None:
        wanted = self._wanted()
        if list(wanted) == list(self._loaded):
            return
        loaded = {}
        for key, (release, version) in wanted.items():
            loaded[key] = self._loaded.get(key) or await _load(release, version)
        self._loaded = loaded
        self._catalogue.use_releases(loaded.values())

    def _wanted(self) -> dict[tuple[str, str, str], tuple[ModelRelease, str]]:
        """The served version first, then its canary; keyed by all that the content hangs on."""
        release = self._releases.current(self._model)
        served = self._releases.served(self._model, self._region)
        if release is None or served is None:
            return {}
        versions = [served.version]
        if served.canary is not None and served.canary.version != served.version:
            versions.append(served.canary.version)
        return {(release.url, release.hash, version): (release, version) for version in versions}


async def _load(release: ModelRelease, version: str) -> ReleaseItems:
    try:
        async with asyncio.timeout(LOAD_DEADLINE_S):
            return await asyncio.to_thread(read_release_items, release, version)
    except TimeoutError:
        raise ReleaseError(
            f"{release.url} of version {version} was not read within {LOAD_DEADLINE_S} s"
        ) from None
