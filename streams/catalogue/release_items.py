"""The item table of a release: read from where the release lies, checked, made ready for use.

Called by `served_items`, away from the event loop: files may be remote and large.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import fsspec
import msgspec

from schemas.control import ModelRelease
from schemas.identifiers import item_hash
from schemas.releases import ITEMS, MANIFEST, Manifest, ReleaseItem, TextSpace


class ReleaseError(Exception):
    """A release cannot be read or is not what it says it is. Trying again may help if its files
    were still being written; otherwise publish it again.
    """


@dataclass(frozen=True)
class ReleaseItems:
    """`items` by hash; `popular` lists the hashes, most interactions first; `digest` is the
    sha256 of the table; `space` is where new items lie, if the release has a place for them.
    """

    model: str
    version: str
    digest: str
    items: Mapping[int, ReleaseItem]
    popular: Sequence[int]
    space: TextSpace | None = None


def release_items(
    model: str,
    version: str,
    digest: str,
    table: Sequence[ReleaseItem],
    space: TextSpace | None = None,
) -> ReleaseItems:
    """Of two ids with one hash the smaller stays, as everywhere."""
    items: dict[int, ReleaseItem] = {}
    for item in table:
        code = item_hash(item.item_id)
        known = items.get(code)
        if known is None or item.item_id < known.item_id:
            items[code] = item
    popular = sorted(items, key=lambda code: (-items[code].interactions, items[code].item_id))
    return ReleaseItems(model, version, digest, items, popular, space)


def newest_version(release: ModelRelease) -> str | None:
    """The newest version that the record serves anywhere: the one that its `hash` is of.

    Versions are whole numbers (Triton's rule), so the longer one is the larger.
    """
    named = [served.version for served in release.served.values()]
    named += [served.canary.version for served in release.served.values() if served.canary]
    return max(named, key=lambda version: (len(version), version), default=None)


def read_release_items(release: ModelRelease, version: str) -> ReleaseItems:
    """Blocks while it reads. Raises ReleaseError with a sentence.

    The manifest's sha256 must be the record's `hash` if `version` is the newest that the record
    names; of an older one, only the manifest itself vouches for the table.
    """
    base = release.url.replace("{version}", version).rstrip("/")
    written = _read(f"{base}/{MANIFEST}")
    found = hashlib.sha256(written).hexdigest()
    if version == newest_version(release) and found != release.hash:
        raise ReleaseError(
            f"{base}/{MANIFEST} has sha256 {found}; the record of revision {release.revision}"
            f" says {release.hash}"
        )
    try:
        manifest = msgspec.json.decode(written, type=Manifest)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ReleaseError(f"{base}/{MANIFEST} is not a manifest: {error}") from error
    if (manifest.model, manifest.version) != (release.model, version):
        raise ReleaseError(
            f"{base} holds {manifest.model} {manifest.version}, not {release.model} {version}"
        )
    table = _read(f"{base}/{ITEMS}")
    digest = hashlib.sha256(table).hexdigest()
    if digest != manifest.files.get(ITEMS):
        raise ReleaseError(
            f"{base}/{ITEMS} has sha256 {digest}; its manifest says {manifest.files.get(ITEMS)}"
        )
    try:
        items = msgspec.json.decode(table, type=list[ReleaseItem])
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ReleaseError(f"{base}/{ITEMS} is not a table of items: {error}") from error
    return release_items(release.model, version, digest, items, manifest.text)


def _read(url: str) -> bytes:
    try:
        with fsspec.open(url, "rb") as file:
            content: bytes = file.read()
    except Exception as error:
        # Each file system that fsspec knows has errors of its own, not all of them OSErrors.
        raise ReleaseError(f"{url} cannot be read: {error!r}") from error
    return content
