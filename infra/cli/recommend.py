"""`tidemill recommend`: what one user would see, and why."""

import time
from typing import Annotated, Any

import msgspec
import typer
from rich.table import Table

from infra.cli.printing import out, print_json, tell
from infra.cli.region import region_settings
from infra.slates import Slates, event_id
from infra.titles import titles
from schemas.events import Request
from schemas.identifiers import DEFAULT_SURFACE
from schemas.recommendations import Recommendation

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)

_ANSWER_S = 30.0
_MAX_USER = 128
_MAX_SURFACE = 64


@app.command()
def recommend(
    user: Annotated[str, typer.Argument(metavar="USER")],
    *,
    surface: Annotated[str, typer.Option(help="where the slate is shown")] = DEFAULT_SURFACE,
    limit: Annotated[int | None, typer.Option(min=1, max=100, help="items")] = None,
    follow: Annotated[bool, typer.Option("--follow", help="and each new slate after it")] = False,
    timeout: Annotated[float, typer.Option(min=0.1, help="seconds to wait")] = _ANSWER_S,
    json: Annotated[bool, typer.Option("--json", help="one JSON document")] = False,
) -> None:
    """Ask for a slate as a shop does, and show what comes back."""
    if follow and json:
        raise typer.BadParameter("--json prints one document and --follow never ends")
    if not 1 <= len(user) <= _MAX_USER or not 1 <= len(surface) <= _MAX_SURFACE:
        raise typer.BadParameter("USER has 1 to 128 characters and --surface 1 to 64")
    settings = region_settings()
    with Slates(settings, user, surface) as slates:
        now_ms = time.time_ns() // 1_000_000
        request = Request(
            event_id=event_id(), user_id=user, at_ms=now_ms, surface=surface, limit=limit
        )
        slate = slates.ask(request, timeout)
        known = titles(settings)
        if json:
            print_json(_document(slate, known))
            return
        print_slate(slate, known)
        if not slate.items:
            tell("No item is known that could be shown; `tidemill replay` brings some.")
        if follow:
            tell("Following; Ctrl-C ends it.")
            _follow(slates, known)


def _follow(slates: Slates, known: dict[str, str]) -> None:
    try:
        for slate in slates.follow():
            out.print()
            print_slate(slate, known)
    except KeyboardInterrupt:
        return


def print_slate(
    slate: Recommendation, known: dict[str, str], before: Recommendation | None = None
) -> None:
    """A slate for a person. What was not in the slate `before` is marked."""
    made_by = f"{slate.model.name} {slate.model.version}" if slate.model else "nobody"
    if slate.fallback:
        made_by = f"the fallback ({slate.fallback})"
    tell(f"{slate.user_id} on {slate.surface}, after {slate.cause.kind}, by {made_by}")
    old = {item.item_id for item in before.items} if before else None
    table = Table("", "title", "score", "source", "why", box=None, pad_edge=False)
    for item in slate.items:
        mark = "[green]new[/green] " if old is not None and item.item_id not in old else ""
        why = f"because of {_title(item.because, known)}" if item.because else ""
        table.add_row(
            str(item.position + 1),
            mark + _escaped(_title(item.item_id, known)),
            f"{item.score:.4g}",
            item.source,
            _escaped(why),
        )
    out.print(table)


def _document(slate: Recommendation, known: dict[str, str]) -> dict[str, Any]:
    """The recommendation as it is on the topic, with a title beside each item."""
    found: dict[str, Any] = msgspec.to_builtins(slate)
    for item in found["items"]:
        item["title"] = known.get(item["item_id"])
        if item.get("because"):
            item["because_title"] = known.get(item["because"])
    return found


def _title(item_id: str | None, known: dict[str, str]) -> str:
    return known.get(item_id or "", item_id or "")


def _escaped(text: str) -> str:
    return text.replace("[", "\\[")
