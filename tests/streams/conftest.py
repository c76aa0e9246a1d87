"""Stores in temporary folders, closed behind each test."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from streams.state.store import Store

CHANGELOG = "the id of the changelog"


@pytest.fixture
def open_store(tmp_path: Path) -> Iterator[Callable[..., Store]]:
    """Opens stores by a name each; the same name again opens the same folder."""
    opened: list[Store] = []

    def open_(name: str = "0", changelog_id: str = CHANGELOG) -> Store:
        opened.append(Store(tmp_path / name, changelog_id))
        return opened[-1]

    yield open_
    for store in opened:
        store.close()


@pytest.fixture
def store(open_store: Callable[..., Store]) -> Store:
    return open_store()
