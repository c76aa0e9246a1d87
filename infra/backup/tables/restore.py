"""The archive's tables out of a backup, into those that are there.

Rows replace each other by their ids and versions, so a row that is here already counts once, an
older copy changes nothing, and any number of repetitions is one. What a user did up to his newest
erasure stays out (`erased`). Called by `infra.backup.restore`.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

from infra.backup import blocks
from infra.backup.blocks import Record, StoredFile
from infra.backup.folders import Seals
from infra.backup.manifest import Archive, Part
from infra.backup.place import Place
from infra.backup.problems import ArchiveError, DamagedError
from infra.backup.tables import disk as disks
from infra.backup.tables import erased, parts, rows
from infra.backup.tables.erased import Erasures
from infra.backup.tables.parts import Table
from infra.backup.tables.save import erasures_of
from infra.backup.tables.server import Row, Target

_TOGETHER = 5_000
"""Rows in one insert, as the archive stage has them."""


@dataclass
class Brought:
    """What became of the rows of a backup. `here`: of partitions that have just these; `erased`:
    of users who are erased.
    """

    read: int = 0
    sent: int = 0
    here: int = 0
    erased: int = 0

    def __add__(self, other: "Brought") -> "Brought":
        return Brought(
            self.read + other.read,
            self.sent + other.sent,
            self.here + other.here,
            self.erased + other.erased,
        )

    def sentence(self) -> str:
        return (
            f"{self.read} rows of the archive, {self.here} were here already, {self.erased} are of"
            f" erased users and stay out, {self.sent} sent to ClickHouse"
        )


Progress = Callable[[Brought], None]


class Kept(NamedTuple):
    """Where the files of a chain lie, and what opens them."""

    place: Place
    seals: Seals

    def records(self, folder: str, file: StoredFile) -> Iterator[Record]:
        """What one of them holds. Raises DamagedError."""
        for block in blocks.read(self.place, folder, file, self.seals[folder]):
            try:
                yield from blocks.unpack(block)
            except ValueError as error:
                raise DamagedError(
                    f"{self.place.url}/{folder}/{file.name} is damaged: {error}"
                ) from None

    def erasures(self, archive: Archive) -> Iterator[tuple[bytes, int]]:
        for user, at_ms in self.records(archive.kept_in, archive.erasures):
            yield user, int(at_ms)


def restore(
    target: Target,
    kept: Kept,
    archive: Archive,
    erasures: Iterable[tuple[bytes, int]],
    progress: Progress = lambda _: None,
) -> Brought:
    """`erasures` are those of the states. Returns when ClickHouse has everything. Raises
    ArchiveError, DamagedError.
    """
    server = target.server
    known = parts.tables(server)
    gone = erased.newest(itertools.chain(erasures, kept.erasures(archive), erasures_of(server)))
    done = Brought()
    for part in archive.parts:
        table = known.get(part.table)
        if table is None:
            raise ArchiveError(
                f"the backup holds rows of {part.table}, and {server.database} has no such table"
            )
        there = parts.content(server, parts.Part(table, part.partition))
        if there == (part.rows, part.fingerprint):
            done.read += part.rows
            done.here += part.rows
        else:
            _part(target, kept, part, table, gone, done)
        progress(done)
    return done


def _part(
    target: Target, kept: Kept, part: Part, table: Table, gone: Erasures, done: Brought
) -> None:
    # A release may have taken a column away, or added one, which then has its default.
    columns = [name for name in part.columns if name in table.columns]
    stays = erased.left(part.table, columns, gone)
    with _rows(target, kept, part, table, columns) as found:
        while some := list(itertools.islice(found, _TOGETHER)):
            left = [row for row in map(stays, some) if row is not None]
            target.server.insert(part.table, columns, left)
            done.read += len(some)
            done.sent += len(left)
            done.erased += len(some) - len(left)


@contextmanager
def _rows(
    target: Target, kept: Kept, part: Part, table: Table, columns: list[str]
) -> Iterator[Iterator[Row]]:
    records = kept.records(part.kept_in, part.file)
    if part.way == "rows":
        chosen = [part.columns.index(name) for name in columns]
        yield ([row[number] for number in chosen] for row in rows.unpacked(records))
        return
    server, disk = target
    if disk is None:
        raise ArchiveError(
            f"{part.table} was saved as the files of ClickHouse; set TIDEMILL_CLICKHOUSE_DISK to"
            " the data folder of the server, as this machine sees it"
        )
    load = disks.unpacked if part.way == "backup" else disks.thawed
    with load(server, disk, table, records) as scratch:
        yield server.read(f"SELECT {', '.join(columns)} FROM {scratch} FINAL")  # noqa: S608
