"""An item in words: what a text encoder is given of it. Called by whoever encodes items."""

from collections.abc import Iterable

from inference.data.interactions import Interactions


def item_text(title: str | None, categories: Iterable[str]) -> str:
    """Title and categories in one line; empty where neither is known."""
    return " | ".join(part for part in (title, *categories) if part)


def texts_of(log: Interactions) -> list[str]:
    """One an item of the log."""
    return [item_text(log.title(item), log.categories_of(item)) for item in range(len(log.items))]
