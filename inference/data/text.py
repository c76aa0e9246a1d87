"""Lines of a text source, plain or .xz, with their numbers. The only place that opens one."""

import csv
import lzma
from collections.abc import Iterator
from pathlib import Path

from inference.errors import DataError


def numbered_lines(file: Path, encoding: str = "utf-8") -> Iterator[tuple[int, str]]:
    """(number from 1, line without its end), empty lines left out. Raises DataError."""
    number = 0
    try:
        with lzma.open(file) if file.suffix == ".xz" else file.open("rb") as source:
            for number, line in enumerate(source, start=1):
                text = line.decode(encoding).rstrip("\r\n")
                if text.strip():
                    yield number, text.removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise DataError(f"it is not {encoding}: {error.reason}", file, number) from None
    except (lzma.LZMAError, EOFError) as error:
        raise DataError(f"it cannot be unpacked: {error}", file, number + 1) from None
    except OSError as error:
        raise DataError(f"it cannot be read: {error.strerror}", file) from None


def columns(line: str, separator: str, count: int, file: Path, number: int) -> list[str]:
    """The fields of a line that must have exactly so many. Raises DataError."""
    return _counted(line.split(separator), count, file, number)


def csv_columns(line: str, count: int, file: Path, number: int) -> list[str]:
    """The same for CSV. A quoted field may hold commas but no line break."""
    try:
        fields = next(csv.reader([line], strict=True))
    except csv.Error as error:
        raise DataError(f"it is not CSV: {error}", file, number) from None
    return _counted(fields, count, file, number)


def _counted(fields: list[str], count: int, file: Path, number: int) -> list[str]:
    if len(fields) != count:
        raise DataError(f"{count} fields are expected, {len(fields)} found", file, number)
    return fields


def one_of(folder: Path, *names: str) -> Path | None:
    """The first of these that is in the folder, as it is or with .xz."""
    for name in names:
        for file in (folder / name, folder / f"{name}.xz"):
            if file.is_file():
                return file
    return None


def required(folder: Path, *names: str) -> Path:
    """The same, or DataError."""
    file = one_of(folder, *names)
    if file is None:
        raise DataError(f"{' or '.join(names)} is not there", folder)
    return file
