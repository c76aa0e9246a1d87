"""The parts of the blend as commands are told of them."""

from collections.abc import Sequence
from typing import Annotated

import typer

from inference.training.sources import COUNTED

Without = Annotated[
    list[str] | None,
    typer.Option(help=f"switch a part off, {', '.join(COUNTED)}; may be repeated"),
]


def parts_left(without: Sequence[str]) -> tuple[str, ...]:
    """What is left of the blend. Raises BadParameter."""
    if unknown := sorted({*without} - {*COUNTED}):
        raise typer.BadParameter(f"--without {unknown[0]}: the parts are {', '.join(COUNTED)}")
    left = tuple(part for part in COUNTED if part not in without)
    if not left:
        raise typer.BadParameter("--without: one part at least must be left")
    return left
