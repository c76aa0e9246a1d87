"""Options that say where something is: `--peer west=HOST:PORT`."""

import typer


def named(given: list[str] | None, option: str) -> dict[str, str]:
    """Of options NAME=HOST:PORT."""
    found = {}
    for one in given or ():
        name, _, address = one.partition("=")
        if not name or not address:
            raise typer.BadParameter(f"{one} is not NAME=HOST:PORT", param_hint=option)
        found[name] = address
    return found
