"""A plain log of events with named columns, as CSV or Parquet: user_id, item_id, timestamp, and
perhaps value, kind (as on `user-events`), title and category (categories separated by `|`).
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from inference.data.interactions import Interactions
from inference.data.rows import Rows
from inference.data.text import csv_columns, numbered_lines
from inference.errors import DataError

REQUIRED = ("user_id", "item_id", "timestamp")
_KNOWN = (*REQUIRED, "value", "kind", "title", "category")


def read_csv(path: Path) -> Interactions:
    """A quoted field may not hold a line break."""
    lines = numbered_lines(path)
    header = [name.strip() for name in next(lines, (1, ""))[1].split(",")]
    records = (
        (number, dict(zip(header, csv_columns(line, len(header), path, number), strict=True)))
        for number, line in lines
    )
    return _collect(path, header, records)


def read_parquet(path: Path) -> Interactions:
    """Rows count from 1. Timestamps may be numbers, text or Parquet's own."""
    import pyarrow as pa  # noqa: PLC0415 - slow to load and rarely needed
    from pyarrow import parquet  # noqa: PLC0415

    try:
        found = parquet.ParquetFile(path)
        header = list(found.schema_arrow.names)
        blocks = found.iter_batches(columns=[name for name in header if name in _KNOWN])
        rows = enumerate((row for block in blocks for row in block.to_pylist()), start=1)
        return _collect(path, header, rows)
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(f"it cannot be read as Parquet: {error}", path) from None


def _collect(
    path: Path, header: list[str], records: Iterable[tuple[int, dict[str, Any]]]
) -> Interactions:
    missing = [name for name in REQUIRED if name not in header]
    if missing:
        raise DataError(
            f"the column {', '.join(missing)} is missing; there are {', '.join(header) or 'none'}",
            path,
            1,
        )
    rows = Rows(path.name.split(".")[0], path)
    titles: dict[str, str] = {}
    categories: dict[str, tuple[str, ...]] = {}
    for number, record in records:
        user, item, time = (record[name] for name in REQUIRED)
        if user is None or item is None or time is None:
            raise DataError("user_id, item_id and timestamp must not be null", path, number)
        if isinstance(time, datetime):
            time = (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp() * 1000
        rows.add(number, str(user), str(item), time, record.get("value"), record.get("kind"))
        if record.get("title"):
            titles[str(item)] = str(record["title"])
        if record.get("category"):
            categories[str(item)] = tuple(str(record["category"]).split("|"))
    return rows.finish(titles, categories)
