"""Whether the archive of a backup can be brought back, as far as that shows without a ClickHouse:
every row is decoded and counted, every snapshot read to its end.

Called by `infra.backup.verify`.
"""

from infra.backup.manifest import Archive, Part
from infra.backup.problems import DamagedError
from infra.backup.tables import rows
from infra.backup.tables.restore import Kept


def verify(kept: Kept, archive: Archive) -> None:
    """Raises DamagedError."""
    for _ in kept.erasures(archive):
        pass
    for part in archive.parts:
        try:
            _part(kept, part)
        except ValueError as error:
            raise DamagedError(
                f"{kept.place.url}/{part.kept_in}/{part.file.name} is damaged at offset 0: {error}"
            ) from None


def _part(kept: Kept, part: Part) -> None:
    """Raises ValueError, DamagedError."""
    found = list_of_part = 0
    for record in kept.records(part.kept_in, part.file):
        found += 1
        if part.way == "rows":
            (row,) = rows.unpacked([record])
            if len(row) != len(part.columns):
                raise ValueError(f"row {found} has {len(row)} columns of {len(part.columns)}")
        # Of every file of a part, as ClickHouse checks them when it attaches the part.
        list_of_part += record[0].endswith(b"checksums.txt")
    if found != part.records:
        raise ValueError(f"it holds {found} of its {part.records} records")
    if part.way != "rows" and not list_of_part:
        raise ValueError("it holds no part of a table")
