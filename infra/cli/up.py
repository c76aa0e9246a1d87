"""`tidemill up`: real servers and workers in the background, and where they are."""

from typing import Annotated

import typer
from rich.table import Table

from infra.cli.printing import out, tell
from infra.cli.region import local_settings
from infra.local.problems import LocalError
from infra.starting import Up, bring_up
from infra.starting_regions import bring_up_regions
from streams.settings import Settings

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command()
def up(
    *,
    regions: Annotated[
        str | None,
        typer.Option(help="several regions on this machine that mirror each other: east,west"),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="recommend workers; otherwise as many as run, or one"),
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="throw all data away first")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="do not ask before that")] = False,
) -> None:
    """Start real servers and workers in the background; safe to repeat."""
    local, settings = local_settings(), Settings()
    names = [name.strip() for name in regions.split(",")] if regions is not None else []
    if fresh and not yes:
        data = local.place.root / "regions" if names else local.place.data
        typer.confirm(f"Throw away everything in {data}?", abort=True)
    if names:
        running = bring_up_regions(
            local, names, recommend_workers=workers, fresh=fresh, report=tell
        )
    else:
        running = [bring_up(local, settings, recommend_workers=workers, fresh=fresh, report=tell)]
    for one in running:
        if names:
            out.print(f"\nregion {one.settings.region}")
        out.print(endpoints_table(one))
    if all(one.served is None and one.model_problem is None for one in running):
        tell("No model is released yet: popular items answer. `tidemill train` and `release`.")
    for one in running:
        if one.model_problem is not None:
            raise LocalError(f"all runs and the fallback answers, but {one.model_problem}")


def endpoints_table(running: Up) -> Table:
    """Every address that somebody may want."""
    found = running.endpoints
    table = Table(box=None, show_header=False, pad_edge=False)
    for name, address in (
        ("Kafka", found.kafka),
        *(("Triton, gRPC", url) for url in found.tritons),
        *(("Triton, metrics", url) for url in found.tritons_metrics),
        *(
            ("ClickHouse, native", f"{address} (database {found.clickhouse_database})")
            for address in found.clickhouses
        ),
        *(("ClickHouse, HTTP", url) for url in found.clickhouses_http),
        ("Prometheus", found.prometheus),
        *((f"{name}, metrics", url) for name, url in running.metrics.items()),
    ):
        table.add_row(name, address)
    return table
