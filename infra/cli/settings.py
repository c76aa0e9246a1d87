"""`tidemill settings`: every TIDEMILL_* setting, what it is for and what it is now."""

import os
from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args, get_origin

import msgspec
import typer
from pydantic import SecretStr
from pydantic_settings import BaseSettings
from rich.table import Column, Table

from infra.backup.settings import BackupSettings
from infra.cli.printing import out, print_json, tell
from infra.cli.region import local_settings
from infra.local.supervisor.records import MARK
from infra.probing.settings import ProbingSettings
from streams.settings import Settings

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)
_PREFIX = "TIDEMILL_"
_NO_SETTINGS = (MARK, "TIDEMILL_UV")
"""What the processes of this software tell each other."""
_MASK = "********"


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """One setting as a person may write it into the environment."""

    name: str
    type: str
    default: str
    value: str
    given: bool
    description: str


@app.command()
def settings(
    *, json: Annotated[bool, typer.Option("--json", help="one JSON document")] = False
) -> None:
    """Every setting with its type, default and value. Set them in the environment."""
    found = {
        s.name: s
        for part in (local_settings(), Settings(), BackupSettings(), ProbingSettings())
        for s in _listed(part)
    }
    if json:
        print_json(list(found.values()))
        return
    table = Table(Column("setting", no_wrap=True), "type", "default", "now", "what for", box=None)
    for setting in found.values():
        now = setting.value if setting.given else ""
        table.add_row(setting.name, setting.type, setting.default, now, setting.description)
    out.print(table)
    for name in unknown(os.environ, found):
        tell(f"{name} is in the environment and is no setting")


def unknown(environment: Mapping[str, str], known: Mapping[str, Setting]) -> list[str]:
    """Misspelt settings would otherwise be ignored in silence."""
    found = (name.upper() for name in environment if name.upper().startswith(_PREFIX))
    return sorted(name for name in found if name not in known and name not in _NO_SETTINGS)


def _listed(part: BaseSettings) -> list[Setting]:
    return [
        Setting(
            name=_PREFIX + name.upper(),
            type=_type(field.annotation),
            default=_text(field.default),
            value=_text(getattr(part, name)),
            given=name in part.model_fields_set,
            description=field.description or "",
        )
        for name, field in type(part).model_fields.items()
    ]


def _type(annotation: Any) -> str:
    if annotation is SecretStr:
        return "secret"
    if get_origin(annotation) is Literal:
        return "|".join(get_args(annotation))
    text = annotation.__name__ if isinstance(annotation, type) else str(annotation)
    return "a,b,c" if text.startswith("tuple") else text.lower().removeprefix("pathlib.")


def _text(value: object) -> str:
    if isinstance(value, SecretStr):
        return _MASK if value.get_secret_value() else ""
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return "" if value is None else str(value)
