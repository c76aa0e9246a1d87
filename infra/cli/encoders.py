"""Text encoders as commands are told of them."""

import typer

from inference.models.text import ENCODERS, EncoderName


def encoder_named(name: str, option: str) -> EncoderName:
    """Raises BadParameter."""
    found = next((known for known in ENCODERS if known == name), None)
    if found is None:
        raise typer.BadParameter(f"{option} is one of {', '.join(ENCODERS)}")
    return found
