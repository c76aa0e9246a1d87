"""`tidemill drill`: the engine is broken on purpose, and a checker says what that cost.

The drills live in tests/drills, which is in a checkout and not in the installed package; so they
are found there and loaded when they are called. Each plays on brokers of its own and leaves nothing
behind.
"""

from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.table import Table

from infra.cli.checkout import from_checkout
from infra.cli.printing import out, tell
from infra.local.problems import LocalError

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)


# What a drill's own options are, it says itself.
@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def drill(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="a drill's name, or all; `list` tells them")],
    *,
    json: Annotated[Path | None, typer.Option(help="write the reports there")] = None,
    short: Annotated[bool, typer.Option("--short", help="as short as the tests run it")] = False,
    keep: Annotated[Path | None, typer.Option(help="play here, and leave logs and data")] = None,
) -> None:
    """Break the engine and check what it did; exit code 1 where something was wrong.

    Each drill has options of its own, as `soak --minutes 60` or `kills --kills 500`; a wrong one is
    told with those that there are.
    """
    drills = from_checkout("drills.play", "the drills")
    if name == "list":
        out.print(_listed(drills.ABOUT))
        return
    if name != "all" and name not in drills.ABOUT:
        raise typer.BadParameter(f"{name} is not one of {', '.join(drills.ABOUT)}, all, list")
    if json is not None and not json.parent.is_dir():
        raise typer.BadParameter(f"{json.parent} is not a folder")
    names = tuple(drills.ABOUT) if name == "all" else (name,)
    try:
        options = {one: drills.options(one, context.args, short=short) for one in names}
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    document = drills.play(options, keep, tell)
    if json is not None:
        json.write_bytes(msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n")
    if not all(report.passed for report in document.reports):
        raise LocalError("something was wrong; what, is told above")


def _listed(about: dict[str, str]) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False)
    for name, sentence in about.items():
        table.add_row(name, sentence)
    return table
