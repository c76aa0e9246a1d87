"""`tidemill up`: real servers and workers in the background, and where they are."""

from typing import Annotated

import typer
from rich.table import Table

from infra.cli.printing import out, tell
from infra.cli.region import local_settings
from infra.local.problems import LocalError
from infra.starting import Up, bring_up
from streams.settings import Settings

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command()
def up(
    *,
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="recommend workers; otherwise as many as run, or one"),
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="throw all data away first")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="do not ask before that")] = False,
) -> None:
    """Start real servers and workers in the background; safe to repeat."""
    local, settings = local_settings(), Settings()
    if fresh and not yes:
        typer.confirm(f"Throw away everything in {local.place.data}?", abort=True)
    running = bring_up(local, settings, recommend_workers=workers, fresh=fresh, report=tell)
    out.print(endpoints_table(running))
    if running.served is None and running.model_problem is None:
        tell("No model is released yet: popular items answer. `tidemill train` and `release`.")
    if running.model_problem is not None:
        raise LocalError(f"all runs and the fallback answers, but {running.model_problem}")


def endpoints_table(running: Up) -> Table:
    """Every address that somebody may want."""
    found = running.endpoints
    table = Table(box=None, show_header=False, pad_edge=False)
    for name, address in (
        ("Kafka", found.kafka),
        ("Triton, gRPC", found.triton),
        ("Triton, metrics", found.triton_metrics),
        ("ClickHouse, native", f"{found.clickhouse} (database {found.clickhouse_database})"),
        ("ClickHouse, HTTP", found.clickhouse_http),
        ("Prometheus", found.prometheus),
        *((f"{name}, metrics", url) for name, url in running.metrics.items()),
    ):
        table.add_row(name, address)
    return table
