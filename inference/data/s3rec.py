"""S3Rec's line format: `user item item ...`, a user's items oldest first, .txt or .txt.xz.

It has no times, so the place in the line stands for the time and the log is not `timed`.
"""

from pathlib import Path

from inference.data.interactions import Interactions
from inference.data.rows import Rows
from inference.data.text import numbered_lines
from inference.errors import DataError


def read_s3rec(path: Path) -> Interactions:
    rows = Rows(path.name.split(".")[0], path, timed=False)
    lines: dict[str, int] = {}
    for number, line in numbered_lines(path):
        user, *items = line.split()
        if not items:
            raise DataError(f"the user {user!r} has no item", path, number)
        if lines.setdefault(user, number) != number:
            raise DataError(f"the user {user!r} is on line {lines[user]} too", path, number)
        for place, item in enumerate(items):
            rows.add(number, user, item, place)
    return rows.finish()
