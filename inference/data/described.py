"""An item in words: what a text encoder is given of it. Called by whoever encodes items."""

from inference.data.interactions import Interactions
from schemas.items import item_text


def texts_of(log: Interactions) -> list[str]:
    """One an item of the log."""
    return [item_text(log.title(item), log.categories_of(item)) for item in range(len(log.items))]
