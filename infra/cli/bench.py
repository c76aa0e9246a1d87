"""`tidemill bench`: how much the engine costs and how soon it answers, measured on this machine.

The benchmarks live in tests/benchmarks, which is in a checkout and not in the installed package; so
they are found there and loaded when they are called. Each brings its own broker up and leaves
nothing behind.
"""

from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.table import Table

from infra.cli.checkout import from_checkout
from infra.cli.printing import out, tell
from infra.cli.region import local_settings

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)
NAMES = ("backup", "balance", "compression", "engine", "latency", "scale", "score")


# What a benchmark's own options are, it says itself.
@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def bench(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help=", ".join(NAMES))],
    *,
    json: Annotated[Path | None, typer.Option(help="write the whole document there")] = None,
) -> None:
    """Measure on a broker of its own; the committed results are in tests/benchmarks/results.

    Each benchmark has options of its own for a smaller or another load, as `--events 100000` or
    `--engines raw,tidemill`; a wrong one is told with those that there are. `scale` draws its
    curves beside the document, as PNG.
    """
    if name not in NAMES:
        raise typer.BadParameter(f"{name} is not one of {', '.join(NAMES)}")
    benchmark = from_checkout(f"benchmarks.{name}", "the benchmarks")
    try:
        options = benchmark.Options.of(context.args)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    if json is not None and not json.parent.is_dir():
        raise typer.BadParameter(f"{json.parent} is not a folder")
    local = local_settings()
    document = benchmark.run(options, local, tell)
    if json is not None:
        text = msgspec.json.format(msgspec.json.encode(document), indent=2)
        json.write_bytes(text + b"\n")
        if hasattr(benchmark, "draw"):
            benchmark.draw(json, local, tell)
    for title, rows in benchmark.tables(document).items():
        out.print(_table(title, rows))


def _table(title: str, rows: list[dict[str, Any]]) -> Table:
    """The rows have the same columns."""
    table = Table(*(rows[0] if rows else ()), title=title, title_justify="left", box=None)
    for row in rows:
        table.add_row(*map(str, row.values()))
    return table
