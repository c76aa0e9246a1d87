"""The states of one partition on the worker's own disk, behind the hot ones.

Its content is the changelog up to an offset, key for key: what a restart need not read again. It
is written after the commit of what it holds (streams/lane/checkpoint.py) and, when memory is short,
with states whose turn in the changelog has yet to come (streams/state/users.py). Both may be lost
at no loss: the changelog and the input make them again. Calls may come from several threads.
"""

import itertools
import logging
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import msgspec
from rocksdict import (
    AccessType,
    BlockBasedOptions,
    Cache,
    DBCompressionType,
    Options,
    Rdict,
    WriteBatch,
)

from schemas.state import MARKER_KEY, POSITION_KEY, USER_KEY_PREFIX, Marker, Position

log = logging.getLogger(__name__)
M = TypeVar("M", bound=msgspec.Struct)

_MIB = 1024 * 1024
_BLOCK_CACHE = Cache(32 * _MIB)
"""Shared by all partitions of a worker; hot users are held as states, so it need not be large."""
_WRITE_BUFFER_BYTES = 8 * _MIB
_OPEN_FILES = 64
_RESTORED_KEY = b"C"
_DAMAGED = "DAMAGED"
"""A file that an earlier worker left in the folder when it met damage."""


class StoreError(Exception):
    """The disk did not take or give what it should; the message says where."""


class DamagedError(StoreError):
    """What lies on the disk is not what was written. The next opening makes the store anew."""


class Restored(msgspec.Struct, frozen=True):
    """Up to which offset of which changelog (Kafka's topic id) the store holds everything."""

    topic_id: str
    offset: int


class Change(NamedTuple):
    """A record of the changelog. No value: the key is gone."""

    key: bytes
    value: bytes | None


class Store:
    """Raises StoreError, DamagedError from every call."""

    def __init__(self, folder: Path, changelog_id: str) -> None:
        """Opens what is there; makes it anew, and says so, where it is damaged or belongs to
        another changelog. Raises StoreError where another process holds it.
        """
        self._folder = folder
        self._changelog_id = changelog_id
        if (folder / _DAMAGED).exists():
            self._discard("an earlier worker met damage in it")
        self._database = self._opened()
        restored = self._decoded(_RESTORED_KEY, Restored)
        if restored is not None and restored.topic_id != changelog_id:
            self._database.close()
            self._discard("it belongs to a changelog that was deleted since")
            self._database = self._opened()

    def state(self, user_id: str) -> bytes | None:
        """The encoded state of a user."""
        return self._get(USER_KEY_PREFIX + user_id.encode())

    def position(self) -> Position | None:
        return self._decoded(POSITION_KEY, Position)

    def marker(self) -> Marker | None:
        return self._decoded(MARKER_KEY, Marker)

    def restored_to(self) -> int | None:
        """The offset of the changelog from which it is to be read; None: from its start."""
        restored = self._decoded(_RESTORED_KEY, Restored)
        return None if restored is None else restored.offset

    def write(self, changes: Iterable[Change], restored_to: int | None = None) -> None:
        """All of them or none; `restored_to` says that the changelog up to there is in here."""
        batch = WriteBatch(raw_mode=True)
        for key, value in changes:
            if value is None:
                batch.delete(key)
            else:
                batch.put(key, value)
        if restored_to is not None:
            restored = Restored(self._changelog_id, restored_to)
            batch.put(_RESTORED_KEY, msgspec.json.encode(restored))
        try:
            self._database.write(batch)
        except Exception as error:
            raise self._said(error, "written") from error

    def clear(self) -> None:
        """Forget everything, to be made again from the changelog."""
        self._database.close()
        self._discard("it is ahead of the changelog")
        self._database = self._opened()

    def states(self) -> Iterator[tuple[str, bytes]]:
        """All users with their encoded states; for checks, not for the way of an event."""
        found: Iterator[tuple[Any, Any]] = self._database.items(from_key=USER_KEY_PREFIX)
        for key, value in found:
            if not key.startswith(USER_KEY_PREFIX):
                return
            yield key[len(USER_KEY_PREFIX) :].decode(), value

    def user_ids(self, after: str | None, at_most: int) -> list[str]:
        """So many users behind one, or from the first, in the order of their bytes."""
        first = USER_KEY_PREFIX if after is None else USER_KEY_PREFIX + after.encode() + b"\0"
        try:
            # A list: an iterator that outlives the store would keep its folder locked.
            found: Iterator[Any] = self._database.keys(from_key=first)
            keys = list(itertools.islice(found, at_most))
        except Exception as error:
            raise self._said(error, "read") from error
        users = itertools.takewhile(lambda key: key.startswith(USER_KEY_PREFIX), keys)
        return [key[len(USER_KEY_PREFIX) :].decode() for key in users]

    def estimated_users(self) -> int:
        return int(self._database.property_int_value("rocksdb.estimate-num-keys") or 0)

    def size_bytes(self) -> int:
        """On disk."""
        return int(self._database.property_int_value("rocksdb.total-sst-files-size") or 0)

    def close(self) -> None:
        try:
            self._database.close()
        except Exception as error:  # noqa: BLE001
            log.warning("the store in %s did not close well: %s", self._folder, error)

    def _opened(self) -> Rdict:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(
                f"the store in {self._folder} cannot be made: {error}; see TIDEMILL_STATE_DIR"
            ) from error
        try:
            return Rdict(str(self._folder), _options(), access_type=AccessType.read_write())
        except Exception as error:
            if "lock" in str(error).lower():
                raise StoreError(
                    f"the store in {self._folder} is held by another process; each worker needs a"
                    " TIDEMILL_STATE_DIR of its own"
                ) from error
            if _is_full(error):
                raise self._said(error, "opened") from error
            self._discard(f"it cannot be opened: {error}")
            return Rdict(str(self._folder), _options(), access_type=AccessType.read_write())

    def _discard(self, why: str) -> None:
        log.error("the store in %s is made anew from the changelog: %s", self._folder, why)
        shutil.rmtree(self._folder)

    def _get(self, key: bytes) -> bytes | None:
        try:
            value: bytes | None = self._database.get(key)
        except Exception as error:
            raise self._said(error, "read") from error
        return value

    def _decoded(self, key: bytes, kind: type[M]) -> M | None:
        value = self._get(key)
        try:
            return None if value is None else msgspec.json.decode(value, type=kind)
        except msgspec.MsgspecError as error:
            raise self._said(error, "read") from error

    def _said(self, error: Exception, what: str) -> StoreError:
        where = f"the store in {self._folder} cannot be {what}: {error}"
        if _is_full(error):
            return StoreError(f"{where}; make room on this disk")
        (self._folder / _DAMAGED).touch()
        return DamagedError(f"{where}; it is made anew from the changelog at the next start")


def _is_full(error: Exception) -> bool:
    """RocksDB's exceptions differ by their text alone."""
    return any(text in str(error) for text in ("No space left", "File too large", "quota"))


def _options() -> Options:
    tables = BlockBasedOptions()
    tables.set_block_cache(_BLOCK_CACHE)
    tables.set_bloom_filter(10, block_based=False)
    options = Options(raw_mode=True)
    options.set_block_based_table_factory(tables)
    options.set_write_buffer_size(_WRITE_BUFFER_BYTES)
    options.set_max_open_files(_OPEN_FILES)
    options.set_compression_type(DBCompressionType.lz4())
    options.set_keep_log_file_num(2)
    return options
