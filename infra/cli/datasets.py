"""The arguments that name a data set, shared by replay, train and evaluate."""

from pathlib import Path
from typing import Annotated

import typer

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
