"""A data set as replay, train and evaluate are told of it, and read."""

import os
from pathlib import Path
from typing import Annotated

import typer

from inference.data import Interactions, load
from infra.local.home import Home

Dataset = Annotated[
    str,
    typer.Argument(
        help="ml-100k (fetched when missing), recbole, s3rec, gsasrec, movielens, sessions, csv "
        "or parquet"
    ),
]
Data = Annotated[Path | None, typer.Option(help="file or folder of the data set")]
Until = Annotated[
    str | None, typer.Option(help="only what happened before: 80% of the log, or a date (UTC)")
]
From = Annotated[
    str | None, typer.Option("--from", help="only what happened from then on: 80%, or a date (UTC)")
]
_UV = "TIDEMILL_UV"


def read_log(dataset: str, data: Path | None, home: Home) -> Interactions:
    """Fetches what can be fetched, with the uv that the bootstrap brought. Raises DataError."""
    uv = home.tools / "uv" / "bin" / "uv"
    if uv.exists():
        os.environ.setdefault(_UV, str(uv))
    return load(dataset, data, home.root)
