"""Hashes and ids that every region, release and model must compute alike."""

import pytest
import xxhash
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.identifiers import (
    NO_ITEM,
    EventId,
    Surface,
    UserId,
    event_hash,
    item_hash,
    recommendation_id,
    user_hash,
)
from tests.schemas.strategies import of


@pytest.mark.parametrize(
    ("item_id", "hashed"),
    [
        ("film-1", 6829344340855872834),
        ("1", 7335560060985733464),
        ("brötchen", 1336093823022843134),
        ("x" * 256, 15118679849337335497),
    ],
)
def test_an_item_hash_does_not_change(item_id: str, hashed: int) -> None:
    assert item_hash(item_id) == hashed


def test_events_and_users_are_hashed_the_same_way() -> None:
    assert event_hash("film-1") == user_hash("film-1") == item_hash("film-1")


def test_no_item_has_the_hash_that_stands_for_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xxhash, "xxh3_64_intdigest", lambda _: NO_ITEM)
    assert item_hash("unlucky") == 1


@pytest.mark.parametrize(
    ("user_id", "event_id", "surface", "made"),
    [
        ("ann", "e1", "main", "849a342747ca61fe6989128363667a93"),
        ("ann", "e1", "similar", "56764cc5a4e6722a7247e1beabf7b6ed"),
        ("zoë", "é", "main", "2640eb7188d4e69a412eaface64abd03"),
    ],
)
def test_a_recommendation_id_does_not_change(
    user_id: str, event_id: str, surface: str, made: str
) -> None:
    assert recommendation_id(user_id, event_id, surface) == made


TRIPLES = st.tuples(of(UserId), of(EventId), of(Surface))


@settings(deadline=None, database=None)
@given(TRIPLES, TRIPLES)
def test_different_causes_have_different_ids(
    one: tuple[str, str, str], other: tuple[str, str, str]
) -> None:
    assert (recommendation_id(*one) == recommendation_id(*other)) == (one == other)


@pytest.mark.parametrize(
    ("one", "other"),
    [(("a", "bc", "d"), ("ab", "c", "d")), (('a","b', "c", "d"), ("a", 'b","c', "d"))],
)
def test_the_borders_between_the_parts_count(
    one: tuple[str, str, str], other: tuple[str, str, str]
) -> None:
    assert recommendation_id(*one) != recommendation_id(*other)
