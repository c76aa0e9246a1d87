"""S3Rec's line format: `user item item ...`, a user's items oldest first, .txt or .txt.xz.

It has no times, so the place in the line stands for the time and the log is not `timed`. What the
items are may lie beside it, in `<name>_item_asin_attrs.tsv`: item, a number of the shop, and brand
and categories with ` | ` between them.
"""

from pathlib import Path

from inference.data.interactions import Interactions
from inference.data.rows import Rows
from inference.data.text import columns, numbered_lines, one_of
from inference.errors import DataError


def read_s3rec(path: Path) -> Interactions:
    name = path.name.split(".")[0]
    rows = Rows(name, path, timed=False)
    lines: dict[str, int] = {}
    for number, line in numbered_lines(path):
        user, *items = line.split()
        if not items:
            raise DataError(f"the user {user!r} has no item", path, number)
        if lines.setdefault(user, number) != number:
            raise DataError(f"the user {user!r} is on line {lines[user]} too", path, number)
        for place, item in enumerate(items):
            rows.add(number, user, item, place)
    described = one_of(path.parent, f"{name}_item_asin_attrs.tsv")
    return rows.finish(categories=None if described is None else _categories(described))


def _categories(file: Path) -> dict[str, tuple[str, ...]]:
    """By item id."""
    found = (columns(line, "\t", 3, file, number) for number, line in numbered_lines(file))
    return {item: tuple(said.split(" | ")) for item, _, said in found}
