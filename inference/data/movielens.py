"""MovieLens as GroupLens gives it: `ratings.dat` (`user::movie::rating::seconds`, movies in
latin-1) or `ratings.csv` (with a header), titles and genres in `movies.dat` or `movies.csv`.
"""

from collections.abc import Iterator
from pathlib import Path

from inference.data.interactions import Interactions
from inference.data.rows import Rows
from inference.data.text import columns, csv_columns, numbered_lines, one_of, required


def read_movielens(path: Path) -> Interactions:
    """`path` is the ratings file or its folder."""
    ratings = path if path.is_file() else required(path, "ratings.dat", "ratings.csv")
    rows = Rows(ratings.resolve().parent.name, ratings, kind="rating")
    for number, (user, movie, rating, seconds) in _records(ratings, 4, "utf-8"):
        rows.add(number, user, movie, seconds, rating)
    movies = one_of(ratings.parent, f"movies{_suffix(ratings)}")
    if movies is None:
        return rows.finish()
    titles: dict[str, str] = {}
    genres: dict[str, tuple[str, ...]] = {}
    encoding = "latin-1" if _suffix(movies) == ".dat" else "utf-8"
    for _, (movie, title, genre) in _records(movies, 3, encoding):
        titles[movie] = title
        genres[movie] = () if genre == "(no genres listed)" else tuple(genre.split("|"))
    return rows.finish(titles, genres)


def _suffix(file: Path) -> str:
    return Path(file.name.removesuffix(".xz")).suffix


def _records(file: Path, count: int, encoding: str) -> Iterator[tuple[int, list[str]]]:
    lines = numbered_lines(file, encoding)
    if _suffix(file) == ".dat":
        for number, line in lines:
            yield number, columns(line, "::", count, file, number)
        return
    for number, line in lines:
        fields = csv_columns(line, count, file, number)
        if fields[0] != ("userId" if count == 4 else "movieId"):
            yield number, fields
