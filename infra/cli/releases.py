"""`tidemill releases`: what was released, what is served where, and to whom."""

from typing import Annotated

import typer
from rich.table import Table

from infra import broker
from infra.cli.printing import out, print_json
from infra.cli.region import region, region_settings
from infra.releases import Known, known
from schemas.serving import MODEL
from schemas.topics import MODEL_RELEASES

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command()
def releases(
    model: Annotated[str, typer.Argument(metavar="[MODEL]", help="of which model")] = MODEL,
    *,
    json: Annotated[bool, typer.Option("--json", help="one JSON document")] = False,
) -> None:
    """Every release of a model, newest first."""
    meant = region()
    settings = region_settings(meant)
    broker.require(settings, [MODEL_RELEASES.name])
    found = known(settings, meant.local.place, model)
    if json:
        print_json(found)
        return
    table = Table("version", "served in", "canary in", "metrics", "problem", box=None)
    for one in found:
        table.add_row(*_cells(one))
    out.print(table)


def _cells(one: Known) -> tuple[str, ...]:
    return (
        one.version,
        ", ".join(one.served),
        ", ".join(f"{name} {share:.0%}" for name, share in one.canary.items()),
        ", ".join(f"{name} {value:.4f}" for name, value in one.metrics.items()),
        one.problem or "",
    )
