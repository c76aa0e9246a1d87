"""`tidemill release`: serve a release that `tidemill train` has written, to all or as a canary."""

from typing import Annotated

import typer

from infra import broker
from infra.cli.printing import print_json, tell
from infra.cli.region import region, region_settings
from infra.releases import folder_of, publish
from schemas.serving import MODEL
from schemas.topics import MODEL_RELEASES

_ALL = 100.0

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command()
def release(
    model: Annotated[
        str, typer.Argument(metavar="[MODEL]", help="recommender (its newest), or recommender/3")
    ] = MODEL,
    *,
    canary: Annotated[
        float | None,
        typer.Option(metavar="SHARE", help="only for this share of the users, in percent"),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="one JSON document")] = False,
) -> None:
    """Install it into Triton, prove its golden outputs there, and tell the workers."""
    if canary is not None and not 0 < canary < _ALL:
        raise typer.BadParameter("--canary is a share in percent, above 0 and below 100")
    meant = region()
    local, settings = meant.local, region_settings(meant)
    name, _, version = model.partition("/")
    folder = folder_of(local.place, name, version or None)
    broker.require(settings, [MODEL_RELEASES.name])
    share = None if canary is None else canary / _ALL
    record = publish(settings, local.place, folder, share)
    if json:
        print_json(record)
        return
    tell(
        f"{record.model} {folder.name} is served "
        f"{'' if canary is None else f'to {canary:g} % of the users '}in {settings.region} "
        f"(revision {record.revision}); its golden outputs are right on "
        f"{', '.join(settings.triton)}"
    )
