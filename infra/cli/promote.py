"""`tidemill promote`: serve the canary to all."""

from typing import Annotated

import typer

from infra import broker
from infra.cli.region import region, region_settings
from infra.cli.served import say_served
from infra.releases import promote as promote_canary
from schemas.serving import MODEL
from schemas.topics import MODEL_RELEASES

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command()
def promote(
    model: Annotated[str, typer.Argument(metavar="[MODEL]", help="of which model")] = MODEL,
    *,
    json: Annotated[bool, typer.Option("--json", help="one JSON document")] = False,
) -> None:
    """Prove the canary's golden outputs once more, and tell the workers that it is for all."""
    meant = region()
    settings = region_settings(meant)
    broker.require(settings, [MODEL_RELEASES.name])
    record = promote_canary(settings, meant.local.place, model)
    say_served(record, settings.region, json=json)
