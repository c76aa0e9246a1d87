"""`tidemill down`: stop everything that runs here."""

import typer

from infra.cli.printing import tell
from infra.cli.region import local_settings
from infra.local import servers
from infra.starting_regions import bring_down_regions

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command()
def down() -> None:
    """Stop all servers and workers; data stays."""
    local = local_settings()
    of_regions = bring_down_regions(local)
    for name, processes in of_regions.items():
        tell(f"{name}: stopped: {', '.join(processes) or 'nothing was running'}")
    stopped = servers.down(local)
    if stopped or not of_regions:
        tell(f"stopped: {', '.join(stopped)}" if stopped else "nothing was running")
