"""Session logs: `session item timestamp`, separated by tabs, with or without a header line."""

from pathlib import Path

from inference.data.interactions import Interactions
from inference.data.rows import Rows
from inference.data.text import columns, numbered_lines


def read_sessions(path: Path) -> Interactions:
    """A session is taken for a user. A first line whose time has no digit is the header."""
    rows = Rows(path.name.split(".")[0], path)
    for number, line in numbered_lines(path):
        session, item, time = columns(line, "\t", 3, path, number)
        if number == 1 and not any(letter.isdigit() for letter in time):
            continue
        rows.add(number, session, item, time)
    return rows.finish()
