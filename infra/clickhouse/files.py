"""The numbered migration files as data: what each says, and which servers can take it.

Pure but for reading the files beside it. A file's name is NNNN_what.sql; a first line
`-- requires: 21.8` names the first server version that understands it. Statements end with a
semicolon at the end of a line, and each may run any number of times with the same result: that is
what makes a migration safe to break off anywhere.
"""

import hashlib
import itertools
import re
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent / "migrations"

ServerVersion = tuple[int, ...]
"""As (18, 16)."""

_NAME = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")
_REQUIRES = re.compile(r"-- requires: (\d+\.\d+)\n")
_STATEMENT_END = re.compile(r";[ \t]*(?:\n|$)")


@dataclass(frozen=True)
class Migration:
    number: int
    name: str
    hash: str
    requires: ServerVersion
    statements: tuple[str, ...]


def server_version(text: str) -> ServerVersion:
    """`18.16.1` as (18, 16); what comes behind never decides."""
    major, minor, *_ = text.split(".")
    return int(major), int(minor)


def parse(name: str, sql: str) -> Migration:
    """Raises ValueError for a file that is not named or written like a migration."""
    named = _NAME.fullmatch(name)
    if named is None:
        raise ValueError(f"{name} is not named like a migration, NNNN_what.sql")
    requires = _REQUIRES.match(sql)
    code = "\n".join(line for line in sql.splitlines() if not line.lstrip().startswith("--"))
    statements = tuple(text.strip() for text in _STATEMENT_END.split(code) if text.strip())
    if not statements:
        raise ValueError(f"{name} holds no statement")
    return Migration(
        number=int(named[1]),
        name=name,
        hash=hashlib.sha256(sql.encode()).hexdigest(),
        requires=server_version(requires[1]) if requires else (0, 0),
        statements=statements,
    )


def migrations(folder: Path = FOLDER) -> list[Migration]:
    """All of them in order. Raises ValueError for two with one number."""
    found = [parse(path.name, path.read_text()) for path in sorted(folder.glob("*.sql"))]
    for earlier, later in itertools.pairwise(found):
        if earlier.number == later.number:
            raise ValueError(f"{earlier.name} and {later.name} have one number")
    return found
