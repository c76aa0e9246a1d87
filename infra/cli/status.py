"""`tidemill status`: what runs, what is ready, who owns what and how far behind it is."""

from typing import Annotated

import typer
from rich.table import Table

from infra.cli.printing import out, print_json
from infra.cli.region import local_settings, region_settings
from infra.status import Region, Status
from infra.status import status as ask

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command()
def status(
    *, json: Annotated[bool, typer.Option("--json", help="one JSON document")] = False
) -> None:
    """Servers, workers, lag, and who owns what."""
    local = local_settings()
    found = ask(local, region_settings(local))
    if json:
        print_json(found)
        return
    out.print(_servers(found))
    for name, region in found.regions.items():
        out.print()
        out.print(_region(name, region))
    if not any(region.kafka.ready for region in found.regions.values()):
        out.print("\n`tidemill up` starts everything.", markup=False)


def _servers(found: Status) -> Table:
    table = Table("server", "where", "ready", "serves", box=None, pad_edge=False)
    for name, region in found.regions.items():
        table.add_row(f"Kafka ({name})", region.kafka.url, _yes(region.kafka.ready), "")
    for triton in found.triton:
        model = f"{triton.model} {triton.version}" if triton.version else "no model"
        table.add_row("Triton", triton.url, _yes(triton.ready), model if triton.ready else "")
    for name, server in (("ClickHouse", found.clickhouse), ("Prometheus", found.prometheus)):
        table.add_row(name, server.url, _yes(server.ready), "")
    return table


def _region(name: str, region: Region) -> Table:
    owned = ", ".join(region.owner_of) or "nothing"
    title = f"region {name} owns {owned}"
    if region.epoch is not None:
        title += f"; epoch {region.epoch}"
    table = Table("worker", "pid", "ready", "records behind", "log", box=None, pad_edge=False)
    table.title, table.title_justify = title, "left"
    for worker in region.workers:
        state = _yes(worker.ready) if worker.running else "[red]ended[/red]"
        behind = "?" if region.lag is None else str(region.lag.get(worker.stage, "?"))
        table.add_row(worker.name, str(worker.pid), state, behind, worker.log)
    if not region.workers:
        table.add_row("none runs")
    return table


def _yes(ready: bool) -> str:  # noqa: FBT001
    return "[green]yes[/green]" if ready else "[red]no[/red]"
