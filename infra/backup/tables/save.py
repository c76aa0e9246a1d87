"""The archive's tables into a backup: each partition once in a chain, as long as it is the same.

Read while rows come in: a row is in it or in the next one, for the fingerprint is taken before the
rows are. Called by `infra.backup.create`.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Literal

from infra.backup import blocks
from infra.backup.blocks import Record
from infra.backup.manifest import Archive, Part
from infra.backup.place import Place
from infra.backup.problems import ArchiveError
from infra.backup.sealing import Seal
from infra.backup.tables import disk as disks
from infra.backup.tables import parts, rows
from infra.backup.tables.server import Server, Target

Way = Literal["rows", "freeze", "backup"]


def way_of(target: Target) -> Way:
    """How this server's rows are best had: its own snapshots need its disk. Raises ArchiveError."""
    if target.disk is None:
        return "rows"
    if not target.disk.is_dir():
        raise ArchiveError(f"TIDEMILL_CLICKHOUSE_DISK: {target.disk} is no folder here")
    return "backup" if disks.can_backup(target.server) else "freeze"


def save(target: Target, place: Place, id_: str, seal: Seal, kept: Archive | None) -> Archive:
    """`kept` is what the chain has already. Raises ArchiveError, BackupError."""
    server, way = target.server, way_of(target)
    known: Mapping[tuple[str, str], Part] = {
        (part.table, part.partition): part for part in (kept.parts if kept else ())
    }
    saved = []
    for part in parts.parts(server):
        content = parts.content(server, part)
        before = known.get((part.table.name, part.partition))
        if before and (before.rows, before.fingerprint) == content:
            saved.append(before)
            continue
        name = f"table-{part.table.name}-{part.partition}"
        # ClickHouse writes other letters of a snapshot's name in a way of its own.
        snapshot = re.sub(r"\W", "_", f"tidemill_{id_}_{name}", flags=re.ASCII)
        records = _Counted(_records(target, part, way, snapshot))
        file = blocks.write(place, id_, name, blocks.pack(records), seal)
        saved.append(
            Part(
                table=part.table.name,
                partition=part.partition,
                rows=content.rows,
                fingerprint=content.fingerprint,
                way=way,
                columns=part.table.columns,
                records=records.count,
                kept_in=id_,
                file=file,
            )
        )
    erasures = blocks.pack((user, b"%d" % at_ms) for user, at_ms in erasures_of(server))
    return Archive(
        server=".".join(map(str, server.version)),
        parts=saved,
        kept_in=id_,
        erasures=blocks.write(place, id_, "erasures", erasures, seal),
    )


def erasures_of(server: Server) -> Iterator[tuple[bytes, int]]:
    """(user_id, up to when) as its events tell."""
    if "user_events" not in parts.tables(server):
        return
    for user, at_ms in server.read(
        "SELECT user_id, max(appended_at_ms) FROM user_events WHERE kind = 'erase' GROUP BY user_id"
    ):
        yield user, int(at_ms)


class _Counted(Iterator[Record]):
    def __init__(self, records: Iterator[Record]) -> None:
        self._records = records
        self.count = 0

    def __next__(self) -> Record:
        record = next(self._records)
        self.count += 1
        return record


def _records(target: Target, part: parts.Part, way: Way, name: str) -> Iterator[Record]:
    server, disk = target
    if way == "rows" or disk is None:
        selected, table = part.table.selected, part.table.name
        return rows.packed(server.read(f"SELECT {selected} FROM {table} FINAL WHERE {part.where}"))  # noqa: S608
    take = disks.backed_up if way == "backup" else disks.frozen
    return take(server, disk, part, name)
