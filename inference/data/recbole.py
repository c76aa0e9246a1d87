"""RecBole's atomic files: `<name>.inter` and, beside it, `<name>.item`. Tab-separated; the header
names each column and its type, as `user_id:token`.
"""

from pathlib import Path

from inference.data.interactions import Interactions
from inference.data.rows import Rows
from inference.data.text import columns, numbered_lines, one_of
from inference.errors import DataError


def read_recbole(path: Path) -> Interactions:
    """`path` is the .inter file or its folder. Times in seconds or milliseconds."""
    inter = path if path.is_file() else _inter_of(path)
    rows = Rows(inter.stem, inter, kind="rating")
    header, *lines = list(numbered_lines(inter)) or [(1, "")]
    names = _names(header[1])
    user, item, time = (_place(names, n, inter) for n in ("user_id", "item_id", "timestamp"))
    value = names.index("rating") if "rating" in names else None
    for number, line in lines:
        fields = columns(line, "\t", len(names), inter, number)
        rating = None if value is None else fields[value]
        rows.add(number, fields[user], fields[item], fields[time], rating)
    described = one_of(inter.parent, f"{inter.stem}.item")
    if described is None:
        return rows.finish()
    return rows.finish(*_described(described))


def _inter_of(folder: Path) -> Path:
    found = sorted(folder.glob("*.inter"))
    if len(found) != 1:
        raise DataError(f"one file *.inter is expected there, {len(found)} found", folder)
    return found[0]


def _described(file: Path) -> tuple[dict[str, str], dict[str, tuple[str, ...]]]:
    """Titles and categories by item id; a `class` or `genre` column holds words."""
    titles: dict[str, str] = {}
    categories: dict[str, tuple[str, ...]] = {}
    names: list[str] = []
    for number, line in numbered_lines(file):
        if not names:
            names = _names(line)
            item = _place(names, "item_id", file)
            title = _first(names, "movie_title", "title")
            words = _first(names, "class", "genre", "categories")
            continue
        fields = columns(line, "\t", len(names), file, number)
        if title is not None:
            titles[fields[item]] = fields[title]
        if words is not None:
            categories[fields[item]] = tuple(fields[words].split())
    return titles, categories


def _names(header: str) -> list[str]:
    return [column.split(":")[0] for column in header.split("\t")]


def _first(names: list[str], *wanted: str) -> int | None:
    return next((names.index(name) for name in wanted if name in names), None)


def _place(names: list[str], wanted: str, file: Path) -> int:
    if wanted not in names:
        raise DataError(f"the header has no column {wanted}; it has {', '.join(names)}", file, 1)
    return names.index(wanted)
