"""How commands print: people get Rich on stdout, machines one JSON document, errors stderr."""

import sys

import msgspec
from rich.console import Console

_FILE_COLUMNS = 200
"""Where nobody looks, a table need not be folded into 80 columns."""

out = Console(highlight=False, width=None if sys.stdout.isatty() else _FILE_COLUMNS)


def print_json(document: object) -> None:
    """The whole of stdout."""
    sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n")
    sys.stdout.flush()


def tell(sentence: str) -> None:
    """One line of progress for a person; nothing in it is markup."""
    out.print(sentence, markup=False)
