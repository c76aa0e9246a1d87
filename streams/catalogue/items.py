"""The items as every worker knows them: hashes back to ids, what is available, what is popular.

Fed with every record of every copy of `item-updates` and with the item tables of the releases
that are served; read by the slate, the fallback and `made_from`. Two workers that have read the
same topics agree, whether they saw every record or only what compaction left. Never reads Kafka,
a clock or a file. Called by one thread at a time.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import msgspec
import xxhash

from schemas.codec import MessageDecoder, Reason, RefusedError
from schemas.identifiers import item_hash
from schemas.items import ItemUpdate
from streams.catalogue.release_items import ReleaseItems
from streams.region.copies import Copy

log = logging.getLogger(__name__)

_DIGEST_BITS = 64


class Item(NamedTuple):
    """What a slate needs to know of an item."""

    item_id: str
    title: str | None
    categories: Sequence[str]
    available: bool


class Popular(NamedTuple):
    """An item for those of whom nothing else can be said. `interactions` is 0 where unknown."""

    item: int
    interactions: int


class _Said(NamedTuple):
    """The last thing that one partition of one copy said about a key; None: nothing (any more)."""

    offset: int
    appended_ms: int
    update: ItemUpdate | None


class _Holds(NamedTuple):
    """What holds of an item, over all copies."""

    appended_ms: int
    item: Item
    digest: int
    update: ItemUpdate


class Catalogue:
    """`hash_of` is the contract's; a test gives another one to see two ids collide."""

    def __init__(self, hash_of: Callable[[str], int] = item_hash) -> None:
        self.decoder: MessageDecoder[ItemUpdate] = MessageDecoder("item-update")
        self._hash_of = hash_of
        # A misconfigured producer may place one key in two partitions; compaction works on each
        # by itself, so each is a copy of its own.
        self._said: dict[str, dict[tuple[str, int], _Said]] = {}
        self._holds: dict[str, _Holds] = {}
        self._ids: dict[int, list[str]] = {}
        self._releases: tuple[ReleaseItems, ...] = ()
        self._sum = 0
        self._withdrawn = 0
        self._in_releases_only = 0
        self._newest: tuple[int, ...] | None = None

    def apply(self, copy: Copy) -> None:
        """Raises RefusedError for a record that cannot be used.

        Within one copy the last record by offset wins, also where it is a null or cannot be used:
        that copy then says nothing about the item, as it will to a worker that starts after
        compaction. Between copies the larger (append time, origin) wins.
        """
        item_id = _item_id(copy)
        copies = self._said.setdefault(item_id, {})
        known = copies.get((copy.origin, copy.partition))
        if known is not None and copy.offset <= known.offset:
            return
        update, refused = None, None
        if copy.value is not None:
            try:
                update = self._decode(copy, item_id)
            except RefusedError as error:
                refused = error
        copies[copy.origin, copy.partition] = _Said(copy.offset, copy.timestamp_ms, update)
        self._settle(item_id, copies)
        if refused is not None:
            raise refused

    def use_releases(self, releases: Iterable[ReleaseItems]) -> None:
        """The item tables of what is served; the first one says what is popular."""
        self._releases = tuple(releases)
        released = set().union(*(release.items for release in self._releases))
        self._in_releases_only = len(released - self._ids.keys())
        for code, ids in self._ids.items():
            self._tell_collision(code, ids)

    def item(self, code: int) -> Item | None:
        """What holds of the item with this hash, also where it is withdrawn."""
        item_id = self.id_of(code)
        if item_id is None:
            return None
        if (holds := self._holds.get(item_id)) is not None:
            return holds.item
        for release in self._releases:
            known = release.items.get(code)
            if known is not None and known.item_id == item_id:
                return Item(item_id, known.title, known.categories, available=True)
        return None

    def id_of(self, code: int) -> str | None:
        """The item id behind a hash. Of two ids with one hash the smaller, in every worker."""
        ids = self._ids.get(code)
        found = ids[0] if ids else None
        for release in self._releases:
            known = release.items.get(code)
            if known is not None and (found is None or known.item_id < found):
                found = known.item_id
        return found

    def updates(self) -> Iterator[tuple[str, int, ItemUpdate]]:
        """What `item-updates` says of each item that can be recommended, and since when (ms)."""
        for item_id, holds in self._holds.items():
            if self.id_of(self._hash_of(item_id)) == item_id:
                yield item_id, holds.appended_ms, holds.update

    def release(self, version: str) -> ReleaseItems | None:
        """One of those in use."""
        return next((one for one in self._releases if one.version == version), None)

    def popular(self) -> Iterator[Popular]:
        """Available items, most interactions first; then, or without a release, those that only
        `item-updates` knows, the newest first.
        """
        for popular in self._ranked():
            item = self.item(popular.item)
            if item is not None and item.available:
                yield popular

    @property
    def digest(self) -> str:
        """16 hex digits over what holds and the releases in use, whatever the order it came in."""
        releases = [release.digest for release in self._releases]
        return xxhash.xxh3_64_hexdigest(msgspec.json.encode((self._sum, releases)))

    def counts(self) -> tuple[int, int]:
        """How many items are known: (available, withdrawn)."""
        return len(self._ids) + self._in_releases_only - self._withdrawn, self._withdrawn

    def _decode(self, copy: Copy, item_id: str) -> ItemUpdate:
        update = self.decoder.decode(copy.value, copy.schema)
        if update.item_id != item_id:
            raise RefusedError(
                Reason.OUT_OF_BOUNDS,
                f"the key is {item_id!r} and the item_id {update.item_id!r}; compaction goes by"
                " the key, so they must be equal",
            )
        return update

    def _settle(self, item_id: str, copies: dict[tuple[str, int], _Said]) -> None:
        """Find what holds of one item, and keep ids and digest in step with it."""
        said = (
            (said.appended_ms, origin, partition, said.update)
            for (origin, partition), said in copies.items()
            if said.update is not None
        )
        winner = max(said, key=lambda found: found[:3], default=None)
        old = self._holds.pop(item_id, None)
        if old is not None:
            self._sum -= old.digest
            self._withdrawn -= not old.item.available
        if winner is not None:
            appended_ms, _, _, update = winner
            item = Item(item_id, update.title, tuple(update.categories), update.available)
            digest = xxhash.xxh3_64_intdigest(msgspec.json.encode((appended_ms, item)))
            self._holds[item_id] = _Holds(appended_ms, item, digest, update)
            self._sum += digest
            self._withdrawn += not item.available
        self._sum %= 1 << _DIGEST_BITS
        self._newest = None
        if (old is None) != (winner is None):
            self._keep_ids(item_id, known=winner is not None)

    def _keep_ids(self, item_id: str, *, known: bool) -> None:
        code = self._hash_of(item_id)
        released = any(code in release.items for release in self._releases)
        if known:
            self._in_releases_only -= released and code not in self._ids
            ids = self._ids.setdefault(code, [])
            ids.append(item_id)
            ids.sort()
            self._tell_collision(code, ids)
        else:
            self._ids[code].remove(item_id)
            if not self._ids[code]:
                del self._ids[code]
                self._in_releases_only += released

    def _tell_collision(self, code: int, ids: list[str]) -> None:
        all_ids = set(ids)
        all_ids.update(r.items[code].item_id for r in self._releases if code in r.items)
        if len(all_ids) > 1:
            log.error(
                "items %s share the hash %016x; only %r can be recommended: rename the others",
                sorted(all_ids),
                code,
                min(all_ids),
            )

    def _ranked(self) -> Iterator[Popular]:
        best = self._releases[0] if self._releases else None
        if best is not None:
            for code in best.popular:
                yield Popular(code, best.items[code].interactions)
        for code in self._newest_first():
            if best is None or code not in best.items:
                yield Popular(code, 0)

    def _newest_first(self) -> tuple[int, ...]:
        if self._newest is None:
            order = sorted(
                self._ids,
                key=lambda code: (-self._holds[self._ids[code][0]].appended_ms, self._ids[code][0]),
            )
            self._newest = tuple(order)
        return self._newest


def _item_id(copy: Copy) -> str:
    """The record's key. Raises RefusedError."""
    if not copy.key:
        raise RefusedError(Reason.MISSING_FIELD, "the record has no key")
    try:
        return copy.key.decode()
    except UnicodeDecodeError as error:
        raise RefusedError(Reason.NOT_UTF8, f"key: {error}") from None
