"""Which rows of a backup come back of a user who was erased. Pure."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.backup.tables import erased
from streams.stages.archive.tables import TABLES

ERASED = {b"kim": 100}


def left(table: str, **cells: Any) -> Mapping[str, Any] | None:
    """What a row of these columns comes back as."""
    found = erased.left(table, list(cells), ERASED)(list(cells.values()))
    return None if found is None else dict(zip(cells, found, strict=True))


@pytest.mark.parametrize(
    ("user", "at_ms", "kind", "stays"),
    [
        (b"kim", 99, b"click", False),
        (b"kim", 100, b"click", False),
        (b"kim", 101, b"click", True),
        (b"kim", 100, b"erase", True),
        (b"lee", 1, b"click", True),
    ],
)
def test_an_event_counts_by_its_own_time(user: bytes, at_ms: int, kind: bytes, stays: bool) -> None:  # noqa: FBT001
    row = left("user_events", user_id=user, happened_at_ms=at_ms, kind=kind)
    assert (row is not None) == stays


@pytest.mark.parametrize(
    ("cause_ms", "issued_ms", "stays"), [(90, 110, False), (101, 100, False), (101, 102, True)]
)
def test_a_slate_goes_with_what_it_was_made_from(
    cause_ms: int,
    issued_ms: int,
    stays: bool,  # noqa: FBT001
) -> None:
    times = {"cause_appended_at_ms": cause_ms, "issued_at_ms": issued_ms}
    assert (left("recommendations", user_id=b"kim", **times) is not None) == stays
    assert left("recommendations", user_id=b"lee", **times)


def test_a_dead_letter_goes_with_its_key() -> None:
    assert left("dead_letters", key=b"kim", appended_at_ms=100) is None
    for key, at_ms in ((b"kim", 101), (b"lee", 1), (None, 1)):
        assert left("dead_letters", key=key, appended_at_ms=at_ms)


def test_a_list_of_digests_is_left_without_him() -> None:
    users = {"users.user_id": [b"kim", b"lee"], "users.digest": [b"1", b"2"]}
    row = left("state_digests", made_at_ms=100, **users, **{"users.newest_ms": [7, 8]})
    assert row == {
        "made_at_ms": 100, "users.user_id": [b"lee"], "users.digest": [b"2"],
        "users.newest_ms": [8],
    }  # fmt: skip
    row = left("state_digests", made_at_ms=101, **users, **{"users.newest_ms": [7, 8]})
    assert row is not None
    assert row["users.user_id"] == [b"kim", b"lee"]


@pytest.mark.parametrize(
    "table", sorted({*TABLES.values()} - {"user_events", "recommendations", "dead_letters",
                                         "state_digests"})
)  # fmt: skip
def test_tables_without_users_come_back_whole(table: str) -> None:
    assert left(table, item_id=b"kim") == {"item_id": b"kim"}


@given(st.lists(st.tuples(st.binary(max_size=2), st.integers(1, 9))))
def test_the_newest_erasure_of_each_counts(known: list[tuple[bytes, int]]) -> None:
    found = erased.newest(known)
    assert found == {user: max(at for u, at in known if u == user) for user, _ in known}
