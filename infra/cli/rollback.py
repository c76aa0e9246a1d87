"""`tidemill rollback`: away from a canary, or back to what was served before."""

from typing import Annotated

import typer

from infra import broker
from infra.cli.region import region, region_settings
from infra.cli.served import say_served
from infra.releases import roll_back
from schemas.serving import MODEL
from schemas.topics import MODEL_RELEASES

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command()
def rollback(
    model: Annotated[str, typer.Argument(metavar="[MODEL]", help="of which model")] = MODEL,
    *,
    to: Annotated[
        str | None, typer.Option(metavar="VERSION", help="this one, instead of the one before")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="one JSON document")] = False,
) -> None:
    """Load what was served before, prove its golden outputs, and tell the workers. Where a canary
    is served it is the canary that goes, unless --to names a version.
    """
    meant = region()
    settings = region_settings(meant)
    broker.require(settings, [MODEL_RELEASES.name])
    record = roll_back(settings, meant.local.place, model, to)
    say_served(record, settings.region, json=json)
