"""Vectors of new items: what every worker holds of them, and which are to be made."""

import logging
from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.codec import RefusedError
from schemas.identifiers import item_hash
from schemas.items import ItemUpdate, ItemVector, text_hash, vector_key
from schemas.releases import ReleaseItem, TextSpace
from schemas.serving import MODEL
from streams.catalogue.items import Catalogue
from streams.catalogue.missing_vectors import Missing, missing
from streams.catalogue.release_items import ReleaseItems, release_items
from streams.catalogue.vectors import NO_VECTORS, Vectors, Version
from streams.region.copies import Copy
from tests.streams.control_copies import copy_of

ONE, TWO = Version(MODEL, "1"), Version(MODEL, "2")
DIM = 3


def vector(
    item_id: str, text: str = "t", version: Version = ONE, values: Iterable[float] = (1, 0, 0)
) -> Copy:
    value = ItemVector(text_hash(text), tuple(map(float, values))).encode()
    return copy_of(value, key=vector_key(*version, item_id), topic="item-vectors")


def gone(item_id: str, version: Version = ONE) -> Copy:
    return copy_of(None, key=vector_key(*version, item_id), topic="item-vectors")


def holding(*copies: Copy, most: int = 100) -> Vectors:
    vectors = Vectors(most)
    for copy in copies:
        vectors.apply(copy)
    return vectors


def test_items_and_their_places_stand_side_by_side() -> None:
    vectors = holding(vector("a"), vector("b/c", values=(0, 1, 0)), vector("d", version=TWO))
    held = vectors.held(ONE, DIM)
    assert held is not None
    assert held.items.tolist() == [item_hash("a"), item_hash("b/c")]
    np.testing.assert_array_equal(held.places, [[1, 0, 0], [0, 1, 0]])
    assert vectors.held(Version(MODEL, "3"), DIM) is None
    assert vectors.count(TWO) == 1


def test_the_last_word_holds_and_a_null_is_one() -> None:
    vectors = holding(vector("a"), vector("a", values=(0, 0, 1)), vector("b"), gone("b"))
    held = vectors.held(ONE, DIM)
    assert held is not None
    np.testing.assert_array_equal(held.places, [[0, 0, 1]])
    vectors.apply(gone("a"))
    assert vectors.held(ONE, DIM) is None
    assert vectors.digest(ONE) == NO_VECTORS


def test_vectors_of_another_width_are_not_compared() -> None:
    vectors = holding(vector("a"), vector("b", values=(1, 0)))
    held = vectors.held(ONE, DIM)
    assert held is not None
    assert held.items.tolist() == [item_hash("a")]


@given(st.permutations(["a", "b", "c", "d"]), st.sets(st.sampled_from("abcd")))
def test_the_digest_hangs_on_what_went_in_alone(order: list[str], removed: set[str]) -> None:
    found = holding(*map(vector, order), *map(gone, removed))
    other = holding(*(vector(i, values=(0, 2, 0)) for i in sorted({*order} - removed)))
    assert found.digest(ONE) == other.digest(ONE)
    if removed != set("abcd"):
        assert found.digest(ONE) != holding(vector("a", "another text")).digest(ONE)


@pytest.mark.parametrize(
    "copy",
    [
        copy_of(b"\x07", key="m/1/a", topic="item-vectors"),
        copy_of(ItemVector(1, (1.0,)).encode(), key="no slash", topic="item-vectors"),
        copy_of(ItemVector(1, (1.0,)).encode(), key=None, topic="item-vectors"),
        copy_of(ItemVector(1, (float("nan"),)).encode(), key="m/1/a", topic="item-vectors"),
    ],
)
def test_what_cannot_be_used_is_refused(copy: Copy) -> None:
    with pytest.raises(RefusedError):
        holding(copy)


def test_memory_is_bounded_and_it_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        vectors = holding(*(vector(f"i{number}") for number in range(5)), most=2)
    assert vectors.count(ONE) == 2
    assert len(caplog.records) == 1
    vectors.apply(gone("i0"))
    vectors.apply(vector("i4"))
    assert sorted(vectors.text_hashes(ONE)) == ["i1", "i4"]


def release(*items: str, version: str = "1", has_text: bool = True) -> ReleaseItems:
    space = TextSpace(encoder="hashed", dim=DIM, slope=1.0, offset=0.0) if has_text else None
    table = [ReleaseItem(item_id=item, interactions=1) for item in items]
    return release_items(MODEL, version, "", table, space)


def shop(*updates: ItemUpdate) -> Catalogue:
    catalogue = Catalogue()
    for number, update in enumerate(updates):
        catalogue.apply(
            copy_of(
                update, key=update.item_id, topic="item-updates", offset=number,
                timestamp_ms=1_700_000_000_000 + number,
            )
        )  # fmt: skip
    return catalogue


def item(item_id: str, title: str = "t", **more: object) -> ItemUpdate:
    return ItemUpdate(item_id=item_id, title=title, at_ms=1, **more)


def test_only_items_that_a_version_does_not_know_want_a_vector() -> None:
    catalogue = shop(item("old"), item("new", "Shampoo", brand="OPI", tags=["x"]))
    served = [release("old"), release("old", "new", version="2")]
    assert list(missing(catalogue, served, Vectors(9), 9)) == [
        Missing(ONE, "new", "Shampoo | OPI | x")
    ]
    assert not list(missing(catalogue, [release("old", has_text=False)], Vectors(9), 9))


def test_what_is_there_is_not_made_again_unless_the_text_is_another() -> None:
    vectors = holding(vector("a", "A"), vector("b", "B"))
    assert not list(missing(shop(item("a", "A"), item("b", "B")), [release()], vectors, 9))
    changed = shop(item("a", "A"), item("b", "C"))
    assert list(missing(changed, [release()], vectors, 9)) == [Missing(ONE, "b", "C")]


def test_a_vector_goes_with_its_item_its_version_and_where_a_release_knows_it() -> None:
    vectors = holding(vector("a"), vector("b"), vector("c"), vector("a", version=TWO))
    catalogue = shop(item("a"), item("b", available=False), item("c"))
    assert set(missing(catalogue, [release("c")], vectors, 9)) == {
        Missing(ONE, "b", None), Missing(ONE, "c", None), Missing(TWO, "a", None),
    }  # fmt: skip
    assert len(list(missing(catalogue, [], vectors, 9))) == 4


def test_the_newest_have_vectors_and_older_ones_make_room_first() -> None:
    catalogue = shop(item("a"), item("b"), item("c", ""), item("d"))
    vectors = holding(vector("a"), vector("b"))
    assert list(missing(catalogue, [release()], vectors, 3)) == [
        Missing(ONE, "a", None),
        Missing(ONE, "d", "t"),
    ]
