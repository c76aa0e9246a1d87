"""`tidemill region`: what is done with a whole region, each command in a file of its own."""

import typer

from infra.cli.join import join

app = typer.Typer(
    rich_markup_mode=None, pretty_exceptions_enable=False, no_args_is_help=True,
    help="What is done with a whole region.",
)  # fmt: skip


@app.callback()
def region() -> None:
    """What is done with a whole region."""


app.command()(join)
