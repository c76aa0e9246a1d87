"""`tidemill topics`: create what is missing, or say where the cluster is not as declared."""

from typing import Annotated

import typer

from infra import broker
from infra import topics as declared
from infra.cli.printing import tell
from infra.cli.region import region_settings

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command()
def topics(
    *, check: Annotated[bool, typer.Option("--check", help="change nothing, only compare")] = False
) -> None:
    """Create the topics and set their configuration; with --check only compare."""
    settings = region_settings()
    broker.require(settings, [])
    where = settings.kafka, settings.partitions, settings.region, settings.peers
    if not check:
        created = declared.create(*where)
        tell(f"created: {', '.join(created)}" if created else "all topics were there")
    differences = declared.check(*where)
    for difference in differences:
        tell(str(difference))
    if differences:
        raise declared.TopicsError(f"{len(differences)} not as declared, named above")
    if check:
        tell("all topics are as declared")
