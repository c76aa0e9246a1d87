"""Partitions by the server's own snapshots, where its data folder can be read and written here.

An old server makes hard links by ALTER TABLE ... FREEZE, a current one copies by BACKUP ... TO
File; either costs it next to nothing beside a SELECT. The files go into the backup as they are, and
back into a scratch table, by ATTACH PART or RESTORE, from which the rows are read. Nothing of a
snapshot stays on the server's disk.
"""

import errno
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from infra.backup.blocks import BLOCK_BYTES, Record
from infra.backup.problems import ArchiveError
from infra.backup.tables.parts import SCRATCH, Part, Table
from infra.backup.tables.server import Server
from infra.clickhouse.files import ServerVersion

BACKUP_FROM: ServerVersion = (22, 8)
"""The first version whose BACKUP writes to its own disk."""
_BACKUPS = "backups"
"""Below the data folder: `backups.allowed_path` as ClickHouse's own configuration has it."""


def can_backup(server: Server) -> bool:
    return server.version >= BACKUP_FROM


def frozen(server: Server, disk: Path, part: Part, name: str) -> Iterator[Record]:
    """The files of the partition's parts as FREEZE leaves them. Raises ArchiveError."""
    shadow = disk / "shadow" / name
    server.ask(
        f"ALTER TABLE {part.table.name} FREEZE PARTITION ID '{part.partition}' WITH NAME '{name}'"
    )
    yield from _taken(shadow, shadow.glob("*/*/*/*"))


def backed_up(server: Server, disk: Path, part: Part, name: str) -> Iterator[Record]:
    """The files that BACKUP writes for the partition. Raises ArchiveError."""
    server.ask(
        f"BACKUP TABLE {server.database}.{part.table.name} PARTITION ID '{part.partition}'"
        f" TO File('{name}')"
    )
    folder = disk / _BACKUPS / name
    yield from _taken(folder, [folder])


@contextmanager
def thawed(server: Server, disk: Path, table: Table, records: Iterable[Record]) -> Iterator[str]:
    """The name of a table that has the rows of a `frozen` partition."""
    with _dropped(server):
        server.ask(f"CREATE TABLE {SCRATCH} AS {table.name}")
        paths = "data_paths[1]" if can_backup(server) else "data_path"
        ((path,),) = server.ask(
            f"SELECT {paths} FROM system.tables"  # noqa: S608
            f" WHERE database = currentDatabase() AND name = '{SCRATCH}'"
        )
        # Three folders below the data folder in every layout; above it the server may see others.
        detached = disk.joinpath(*PurePosixPath(str(path)).parts[-3:]) / "detached"
        with _told(detached):
            names = _laid(detached, records)
        for name in names:
            server.ask(f"ALTER TABLE {SCRATCH} ATTACH PART '{name}'")
        yield SCRATCH


@contextmanager
def unpacked(server: Server, disk: Path, table: Table, records: Iterable[Record]) -> Iterator[str]:
    """The same of a partition that is `backed_up`."""
    if not can_backup(server):
        raise ArchiveError(
            f"{table.name} was saved by BACKUP, which ClickHouse {_dotted(server.version)} does not"
            f" have: restore into {_dotted(BACKUP_FROM)} or newer"
        )
    name = f"tidemill_{SCRATCH}"
    folder = disk / _BACKUPS / name
    shutil.rmtree(folder, ignore_errors=True)  # of a restore that died
    with _dropped(server), _removed(folder):
        _laid(folder, records)
        # The database had a name of its own where the backup was made.
        (saved,) = (folder / "metadata").glob(f"*/{table.name}.sql")
        was, now = f"{saved.parent.name}.{table.name}", f"{server.database}.{SCRATCH}"
        server.ask(f"RESTORE TABLE {was} AS {now} FROM File('{name}')")
        yield SCRATCH


def _taken(root: Path, folders: Iterable[Path]) -> Iterator[Record]:
    """(path, content) of every file below the folders, in pieces; then `root` is gone."""
    with _removed(root):
        files = sorted((file, folder) for folder in folders for file in folder.rglob("*"))
        if not files:
            raise FileNotFoundError(errno.ENOENT, "the server wrote nothing there")
        for file, folder in files:
            if file.is_file():
                name = file.relative_to(folder if folder == root else folder.parent)
                yield from _pieces(str(name).encode(), file)


def _pieces(name: bytes, file: Path) -> Iterator[Record]:
    with file.open("rb") as content:
        yield name, content.read(BLOCK_BYTES)
        while piece := content.read(BLOCK_BYTES):
            yield name, piece


def _laid(folder: Path, records: Iterable[Record]) -> list[str]:
    """Writes the files; the names right below the folder."""
    names = set()
    for name, piece in records:
        relative = PurePosixPath(name.decode())
        if relative.is_absolute() or ".." in relative.parts:
            raise ArchiveError(f"{relative} would be written outside of {folder}")
        file = folder / relative
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("ab") as out:
            out.write(piece)
        names.add(relative.parts[0])
    return sorted(names)


@contextmanager
def _removed(folder: Path) -> Iterator[None]:
    try:
        with _told(folder):
            yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _told(folder: Path) -> Iterator[None]:
    """The folder is the server's: it may be another's, or not for us to use."""
    try:
        yield
    except OSError as error:
        raise ArchiveError(
            f"{folder} of ClickHouse cannot be used ({error.strerror}): TIDEMILL_CLICKHOUSE_DISK"
            " names the server's data folder, which this command must be allowed to read and write"
        ) from error


@contextmanager
def _dropped(server: Server) -> Iterator[None]:
    """Nothing of the scratch table is left, neither of this restore nor of one that died."""
    server.ask(f"DROP TABLE IF EXISTS {SCRATCH}")
    try:
        yield
    finally:
        server.ask(f"DROP TABLE IF EXISTS {SCRATCH}")


def _dotted(version: ServerVersion) -> str:
    return ".".join(map(str, version))
