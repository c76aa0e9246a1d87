"""`tidemill release`: serve a release that `tidemill train` has written."""

from typing import Annotated

import typer

from infra import broker
from infra.cli.printing import print_json, tell
from infra.cli.region import region, region_settings
from infra.releases import folder_of, publish
from schemas.serving import MODEL
from schemas.topics import MODEL_RELEASES

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command()
def release(
    model: Annotated[
        str, typer.Argument(metavar="[MODEL]", help="recommender (its newest), or recommender/3")
    ] = MODEL,
    *,
    json: Annotated[bool, typer.Option("--json", help="one JSON document")] = False,
) -> None:
    """Install it into Triton, prove its golden outputs there, and tell the workers."""
    meant = region()
    local, settings = meant.local, region_settings(meant)
    name, _, version = model.partition("/")
    folder = folder_of(local.place, name, version or None)
    broker.require(settings, [MODEL_RELEASES.name])
    record = publish(settings, local.place, folder)
    if json:
        print_json(record)
        return
    tell(
        f"{record.model} {folder.name} is served in {settings.region} (revision "
        f"{record.revision}); its golden outputs are right on {', '.join(settings.triton)}"
    )
