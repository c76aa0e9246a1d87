"""What `train` learns from: a data set, or what this region's archive stored."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from inference.data import Interactions
from infra.cli.datasets import read_log
from infra.cli.moments import date_ms
from infra.cli.region import local_settings, region_settings
from infra.clickhouse.training_set import Archive, Span, read
from infra.replicas import to_read

CLICKHOUSE = "clickhouse"
DatasetOrNone = Annotated[
    str | None,
    typer.Argument(
        metavar="DATASET",
        help="ml-100k (fetched when missing), recbole, s3rec, gsasrec, movielens, sessions, csv or "
        "parquet; with --from what the release calls it",
    ),
]
Source = Annotated[
    str | None,
    typer.Option(
        "--from",
        help="clickhouse: what the archive stored, instead of a data set; --processes share the "
        "reading",
    ),
]
Since = Annotated[
    str | None, typer.Option(help="only what happened from this date on (UTC); with --from")
]


def training_log(
    dataset: str | None,
    data: Path | None,
    source: str | None,
    span: tuple[str | None, str | None],
    processes: int,
) -> Interactions:
    """`span` is (from when on, until when); a share is not cut here. Raises DataError, and
    typer.BadParameter for a wrong call.
    """
    since, until = span
    if source is None:
        if dataset is None:
            raise typer.BadParameter("name a data set, or --from clickhouse")
        if since is not None:
            raise typer.BadParameter("--since goes with --from clickhouse")
        return read_log(dataset, data, local_settings().place)
    if source != CLICKHOUSE:
        raise typer.BadParameter(f"--from {source}: it is clickhouse")
    if data is not None:
        raise typer.BadParameter("--data is of a data set, and --from clickhouse reads the archive")
    since_ms = None if since is None else date_ms(since)
    if since is not None and since_ms is None:
        raise typer.BadParameter(f"--since {since} is no date such as 2026-03-08")
    until_ms = None if until is None else date_ms(until)
    settings = region_settings()
    archive = Archive(
        to_read(settings),
        settings.clickhouse_user,
        settings.clickhouse_password.get_secret_value(),
        settings.clickhouse_database,
    )
    return replace(read(archive, Span(since_ms, until_ms), processes), name=dataset or CLICKHOUSE)
