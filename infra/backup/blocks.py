"""How content lies in the files of a backup, and how what was changed is found.

    file      blocks, one after the other
    block     u32 stored bytes, u32 crc32 of them, the stored bytes (`sealing` closes them)
    records   inside a block: u16 key bytes, u32 value bytes, the key, the value; and again

All numbers are big-endian. The crc says where a file was damaged; that it was not is what its
sha256 in the manifest says. Called by whatever writes or reads a backup; only this module knows
the layout.
"""

import hashlib
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator

import msgspec

from infra.backup.place import Place
from infra.backup.problems import DamagedError
from infra.backup.sealing import Seal

BLOCK_BYTES = 1024 * 1024
"""Of plain content: compresses well, and a few of them fit any memory."""
MOST_STORED_BYTES = 64 * 1024 * 1024
"""A larger length is no length: no record is larger."""
_BLOCK = struct.Struct(">II")
_RECORD = struct.Struct(">HI")
Record = tuple[bytes, bytes]


class StoredFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file as the manifest lists it; `name` within the backup's folder."""

    name: str
    bytes: int
    sha256: str


def write(place: Place, folder: str, name: str, blocks: Iterable[bytes], seal: Seal) -> StoredFile:
    """Write plain blocks into a file of a backup's folder."""
    digest, size = hashlib.sha256(), 0
    with place.create(f"{folder}/{name}") as out:
        for number, plain in enumerate(blocks):
            stored = seal.close(plain, _place_of(folder, name, number))
            for part in (_BLOCK.pack(len(stored), zlib.crc32(stored)), stored):
                digest.update(part)
                size += len(part)
                out(part)
    return StoredFile(name=name, bytes=size, sha256=digest.hexdigest())


def check(place: Place, folder: str, file: StoredFile) -> None:
    """Look at every byte; needs no key. Raises DamagedError."""
    for _ in _stored(place, folder, file):
        pass


def read(place: Place, folder: str, file: StoredFile, seal: Seal) -> Iterator[bytes]:
    """The plain blocks. What comes may be believed once the end was reached, so whoever cannot
    take a block back calls `check` first. Raises DamagedError.
    """
    for number, (offset, stored) in enumerate(_stored(place, folder, file)):
        try:
            yield seal.open(stored, _place_of(folder, file.name, number))
        except ValueError as error:
            raise damaged(place, folder, file.name, offset, str(error)) from None


def pack(records: Iterable[Record]) -> Iterator[bytes]:
    """Records into plain blocks."""
    parts: list[bytes] = []
    size = 0
    for key, value in records:
        parts += (_RECORD.pack(len(key), len(value)), key, value)
        size += _RECORD.size + len(key) + len(value)
        if size >= BLOCK_BYTES:
            yield b"".join(parts)
            parts, size = [], 0
    if parts:
        yield b"".join(parts)


def unpack(block: bytes) -> Iterator[Record]:
    """Raises ValueError where the lengths do not fit."""
    at = 0
    while at < len(block):
        if at + _RECORD.size > len(block):
            raise ValueError(f"a record at {at} has no head")
        key_bytes, value_bytes = _RECORD.unpack_from(block, at)
        at += _RECORD.size
        behind = at + key_bytes + value_bytes
        if behind > len(block):
            raise ValueError(f"a record at {at} is longer than its block")
        yield block[at : at + key_bytes], block[at + key_bytes : behind]
        at = behind


def damaged(place: Place, folder: str, name: str, offset: int, why: str) -> DamagedError:
    return DamagedError(f"{place.url}/{folder}/{name} is damaged at offset {offset}: {why}")


def _stored(place: Place, folder: str, file: StoredFile) -> Iterator[tuple[int, bytes]]:
    """Each block with the offset of its head. Raises DamagedError, in the end also where every
    block is right and the file is another.
    """
    digest, offset = hashlib.sha256(), 0

    def broken(why: str) -> DamagedError:
        return damaged(place, folder, file.name, offset, why)

    try:
        with place.open(f"{folder}/{file.name}") as take:
            while head := _whole(take, _BLOCK.size):
                if len(head) < _BLOCK.size:
                    raise broken("it ends within the head of a block")
                length, crc = _BLOCK.unpack(head)
                stored = b"" if length > MOST_STORED_BYTES else _whole(take, length)
                if len(stored) != length or zlib.crc32(stored) != crc:
                    raise broken("the block is not the one that was written")
                digest.update(head)
                digest.update(stored)
                yield offset, stored
                offset += _BLOCK.size + length
    except FileNotFoundError:
        raise broken("the file is missing") from None
    if offset != file.bytes:
        raise broken(f"it ends here, {file.bytes} bytes were written")
    if digest.hexdigest() != file.sha256:
        offset = 0
        raise broken("it is another file, its sha256 is not the manifest's")


def _whole(take: Callable[[int], bytes], count: int) -> bytes:
    """So many bytes; fewer only at the end of the file."""
    content = take(count)
    while len(content) < count and (more := take(count - len(content))):
        content += more
    return content


def _place_of(folder: str, name: str, number: int) -> str:
    return f"{folder}/{name}/{number}"
