"""Which vectors of new items are to be made, and which nobody needs any more. Pure.

Of each version served with a text space, the newest available items that it does not know have a
vector made of their present text. What is on `item-vectors` beyond these goes: the item is in a
newer release, was withdrawn or said anew, or its version is not served. Called by the catalogue
stage whenever something changed, so whatever was missed is made up for.
"""

from collections.abc import Iterable, Iterator, Mapping
from heapq import nlargest
from typing import NamedTuple

from schemas.identifiers import item_hash
from schemas.items import ItemUpdate, item_text, text_hash
from schemas.serving import MODEL
from streams.catalogue.items import Catalogue
from streams.catalogue.release_items import ReleaseItems
from streams.catalogue.vectors import Vectors, Version


class Missing(NamedTuple):
    """A vector to be written; without a text, a null in its place."""

    version: Version
    item_id: str
    text: str | None


def missing(
    catalogue: Catalogue, served: Iterable[ReleaseItems], vectors: Vectors, most: int
) -> Iterator[Missing]:
    """Nulls first: they make room. `served` must be all that is served."""
    wanted = {
        Version(MODEL, release.version): _texts(catalogue, release, most)
        for release in served
        if release.space is not None
    }
    there = {version: vectors.text_hashes(version) for version in {*wanted, *vectors.versions}}
    for version, hashes in there.items():
        for item_id in hashes.keys() - wanted.get(version, {}).keys():
            yield Missing(version, item_id, None)
    for version, texts in wanted.items():
        for item_id, text in texts.items():
            if there[version].get(item_id) != text_hash(text):
                yield Missing(version, item_id, text)


def _texts(catalogue: Catalogue, release: ReleaseItems, most: int) -> Mapping[str, str]:
    """Of the newest items that the release does not know, newest first."""
    new = (
        (appended_ms, item_id, update)
        for item_id, appended_ms, update in catalogue.updates()
        if update.available and item_hash(item_id) not in release.items
    )
    found = nlargest(most, new, key=lambda item: item[:2])
    return {item_id: text for _, item_id, update in found if (text := _text(update))}


def _text(update: ItemUpdate) -> str:
    return item_text(
        update.title,
        update.categories,
        brand=update.brand,
        tags=update.tags,
        description=update.description,
    )
