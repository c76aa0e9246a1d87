"""`tidemill down`: stop everything that runs here."""

import typer

from infra.cli.printing import tell
from infra.cli.region import local_settings
from infra.local import servers

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command()
def down() -> None:
    """Stop all servers and workers; data stays."""
    stopped = servers.down(local_settings())
    tell(f"stopped: {', '.join(stopped)}" if stopped else "nothing was running")
