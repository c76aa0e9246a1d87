"""`tidemill status`: what runs, what is ready, who owns what and how far behind it is."""

import time
from collections.abc import Iterator
from typing import Annotated

import typer
from rich.table import Table

from infra.cli import partitions
from infra.cli.printing import out, print_json, tell
from infra.cli.region import local_settings, region_settings
from infra.regions import running
from infra.replicas import Replica
from infra.status import Region, Status, Worker, together
from infra.status import status as ask
from infra.tritons import Triton
from infra.workers import replica_of
from streams import native

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command()
def status(
    *,
    json: Annotated[bool, typer.Option("--json", help="one JSON document")] = False,
    every: Annotated[
        bool, typer.Option("--partitions", help="list also those that are quietly open")
    ] = False,
) -> None:
    """Servers, workers, lag, who owns what, and what a silent partition waits for."""
    local = local_settings()
    several = [(one.local, region_settings(one)) for one in running(local)]
    found = together(several) if several else ask(local, region_settings())
    if json:
        print_json(found)
        return
    out.print(_servers(found))
    for name, region in found.regions.items():
        out.print()
        out.print(_region(name, region))
        for sentence in _exits(region):
            out.print(sentence, markup=False)
        if (held := partitions.summary(region.workers)) is not None:
            tell(f"\n{held}")
        for listed in partitions.tables(region.workers, every=every):
            out.print(listed)
    if (missing := native.unavailable()) is not None:
        tell(f"\nWorkers started here take all records through Python: {missing}.")
    for region in found.regions.values():
        if region.supervisor is not None and not region.supervisor.running:
            tell("\nThe supervisor ended, and with it the workers; `tidemill up` starts them.")
    if not any(region.kafka.ready for region in found.regions.values()):
        out.print("\n`tidemill up` starts everything.", markup=False)


def _servers(found: Status) -> Table:
    table = Table("server", "where", "ready", "serves", box=None, pad_edge=False)
    for name, region in found.regions.items():
        table.add_row(f"Kafka ({name})", region.kafka.url, _yes(region.kafka.ready), "")
        if region.mirror is not None:
            peers = f"from {', '.join(region.mirror.peers)}"
            table.add_row(f"MirrorMaker ({name})", peers, _yes(region.mirror.ready), "")
    for triton in found.triton:
        table.add_row("Triton", triton.url, _yes(triton.ready), _serves(triton))
    for name, region in found.regions.items():
        of = f" ({name})" if len(found.regions) > 1 else ""
        for one in region.clickhouses:
            holds = _holds(one, region) if len(region.clickhouses) > 1 else ""
            table.add_row(f"ClickHouse{of}", one.url, _yes(one.ready), holds)
        table.add_row(f"Prometheus{of}", region.prometheus.url, _yes(region.prometheus.ready), "")
    return table


def _serves(triton: Triton) -> str:
    model = f"{triton.model} {triton.version}" if triton.version else "no model"
    told = [model if triton.ready else "nothing"]
    if triton.latency_ms is not None:
        told.append(f"{triton.latency_ms:.0f} ms, {triton.in_flight} in flight")
    if triton.ejected_by:
        told.append(f"[red]ejected by {', '.join(triton.ejected_by)}[/red]")
    return "; ".join(told)


def _holds(replica: Replica, region: Region) -> str:
    told = ["is read"] if replica.url == region.clickhouse.url and replica.ready else []
    if replica.behind is not None:
        told.append(f"{replica.behind} records behind")
    return ", ".join(told)


def _region(name: str, region: Region) -> Table:
    owned = ", ".join(region.owner_of) or "nothing"
    title = f"region {name} owns {owned}"
    if region.epoch is not None:
        title += f"; epoch {region.epoch}"
    columns = ("worker", "pid", "ready", "restarts", "records behind", "log")
    table = Table(*columns, box=None, pad_edge=False)
    table.title, table.title_justify = title, "left"
    for worker in region.workers:
        state = _yes(worker.ready) if worker.running else "[red]ended[/red]"
        behind = _behind(worker, region)
        pid, restarts = str(worker.pid or ""), str(worker.restarts)
        table.add_row(worker.name, pid, state, restarts, behind, worker.log)
    if not region.workers:
        table.add_row("none runs")
    return table


def _behind(worker: Worker, region: Region) -> str:
    """Of its stage; of an archive worker, of those that fill the same ClickHouse."""
    found = None if region.lag is None else region.lag.get(worker.stage)
    if worker.stage == "archive" and len(region.clickhouses) > 1:
        number = replica_of(worker.name)
        in_range = number <= len(region.clickhouses)
        found = region.clickhouses[number - 1].behind if in_range else None
    return "?" if found is None else str(found)


def _exits(region: Region) -> Iterator[str]:
    for worker in region.workers:
        if worker.last_exit is None:
            continue
        at = time.strftime("%H:%M:%S", time.localtime(worker.last_exit.at_ms / 1000))
        again = ""
        if worker.starts_at_ms is not None:
            left_s = max(0.0, worker.starts_at_ms / 1000 - time.time())
            again = f"; it is started again in {left_s:.1f} s"
        yield f"{worker.name}, at {at}: {worker.last_exit}{again}"


def _yes(ready: bool) -> str:  # noqa: FBT001
    return "[green]yes[/green]" if ready else "[red]no[/red]"
