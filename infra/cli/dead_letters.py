"""`tidemill dead-letters`: what was refused and why, and putting back what can be read now."""

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.table import Table

from infra import dead_letters
from infra.cli.printing import out, print_json, tell
from infra.cli.region import region_settings
from infra.dead_letters import Fate, Letter

app = typer.Typer(
    rich_markup_mode=None, pretty_exceptions_enable=False, no_args_is_help=True,
    help="What was refused and why; put back what can be read now.",
)  # fmt: skip
_KEY_CHARACTERS = 40
Reason = Annotated[str | None, typer.Option(help="only letters refused for this reason")]


@app.command("list")
def list_letters(
    *,
    reason: Reason = None,
    limit: Annotated[int, typer.Option(min=1, help="the newest so many")] = 50,
    json: Annotated[bool, typer.Option("--json", help="one JSON document")] = False,
) -> None:
    """The newest dead letters, and how many there are of each reason."""
    found = [
        letter
        for letter in dead_letters.letters(region_settings())
        if reason in (None, letter.reason)
    ]
    reasons = Counter(letter.reason for letter in found)
    found.sort(key=lambda letter: letter.refused_at_ms)
    newest = found[-limit:]
    if json:
        print_json({"reasons": dict(reasons), "letters": [_document(letter) for letter in newest]})
        return
    out.print(_table(newest))
    counts = ", ".join(f"{count} {name}" for name, count in reasons.most_common())
    tell(f"{len(found)} dead letters{': ' if counts else ''}{counts}")


@app.command()
def replay(
    *,
    reason: Reason = None,
    json: Annotated[bool, typer.Option("--json", help="one JSON document")] = False,
) -> None:
    """Judge each letter again with today's code; what can be read now goes back to its topic."""
    done = dead_letters.replay(region_settings(), reason)
    if json:
        fates = {fate.name.lower(): done.fates[fate] for fate in Fate}
        print_json({**fates, "refused_reasons": dict(done.refused)})
        return
    for fate, count in done.fates.items():
        why = ", ".join(f"{number} {name}" for name, number in done.refused.most_common())
        tell(f"{count} {fate}{f' ({why})' if fate is Fate.REFUSED else ''}")
    if not done.fates:
        tell("no dead letter is left to replay")


def _document(letter: Letter) -> dict[str, Any]:
    return {
        "reason": letter.reason,
        "detail": letter.detail,
        "record": letter.where,
        "appended_at_ms": letter.appended_at_ms,
        "refused_at_ms": letter.refused_at_ms,
        "key": _text(letter.message.key()),
        "bytes": len(letter.message.value() or b""),
        "is_cut": letter.is_cut,
    }


def _table(letters: Iterable[Letter]) -> Table:
    table = Table("refused at (UTC)", "reason", "record", "key", "detail", box=None, pad_edge=False)
    for letter in letters:
        at = datetime.fromtimestamp(letter.refused_at_ms / 1000, UTC).strftime("%m-%d %H:%M:%S")
        key = _text(letter.message.key()) or ""
        table.add_row(at, letter.reason, letter.where, key[:_KEY_CHARACTERS], letter.detail)
    return table


def _text(data: bytes | None) -> str | None:
    return None if data is None else data.decode(errors="replace")
