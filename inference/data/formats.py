"""Which data sets are known, and the one way to load any of them."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from inference.data.events import read_csv, read_parquet
from inference.data.gsasrec import read_gsasrec
from inference.data.interactions import Interactions
from inference.data.ml100k import fetch_ml100k
from inference.data.movielens import read_movielens
from inference.data.recbole import read_recbole
from inference.data.s3rec import read_s3rec
from inference.data.sessions import read_sessions
from inference.errors import DataError

FORMATS: dict[str, Callable[[Path], Interactions]] = {
    "ml-100k": read_recbole,
    "recbole": read_recbole,
    "s3rec": read_s3rec,
    "gsasrec": read_gsasrec,
    "movielens": read_movielens,
    "sessions": read_sessions,
    "csv": read_csv,
    "parquet": read_parquet,
}
"""ml-100k is fetched when it is not there; each of the others needs a path."""


def load(dataset: str, path: Path | None, home: Path) -> Interactions:
    """One of FORMATS. `home` is where fetched data sets are kept. Raises DataError."""
    read = FORMATS.get(dataset)
    if read is None:
        raise DataError(f"data set {dataset!r} is not known; there are {', '.join(FORMATS)}")
    if path is None:
        path = home / "datasets" / dataset
        if dataset == "ml-100k":
            fetch_ml100k(path)
        elif not path.exists():
            raise DataError(f"{dataset} needs the path of its data")
    if not path.exists():
        raise DataError("it does not exist", path)
    log = read(path)
    return replace(log, name=dataset if dataset == "ml-100k" else f"{dataset}:{log.name}")
