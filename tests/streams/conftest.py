"""Stores in temporary folders, closed behind each test."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from schemas.state import EMPTY, UserState
from streams import native as compiled
from streams.state.store import Store
from streams.state.users import Users

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


def users_of(store: Store, native: str) -> Users:
    """As a partition makes them with this setting."""
    module = compiled.chosen(native)
    if module is None and native == "auto":
        pytest.skip("nothing was compiled")
    return Users(store, hot=None if module is None else module.HotStates(UserState, EMPTY.maps))


@pytest.fixture(params=["off", "auto"])
def new_users(request: pytest.FixtureRequest) -> Callable[[Store], Users]:
    """With compiled code and without."""
    return lambda store: users_of(store, request.param)
