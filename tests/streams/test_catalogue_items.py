"""Items as every worker knows them."""

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.codec import Reason, RefusedError
from schemas.identifiers import item_hash
from schemas.items import ItemUpdate
from schemas.releases import ReleaseItem
from streams.catalogue.items import Catalogue, Item, Popular
from streams.catalogue.release_items import ReleaseItems, release_items
from streams.region.copies import Copy
from tests.streams.control_copies import copy_of


def update(item_id: str, title: str = "t", **more: object) -> ItemUpdate:
    return ItemUpdate(item_id=item_id, title=title, at_ms=1_700_000_000_000, **more)


def said(message: ItemUpdate | bytes | None, key: str = "a", **more: object) -> Copy:
    return copy_of(message, key=key, topic="item-updates", **more)


def knows(*copies: Copy) -> Catalogue:
    """Refused records included: they count as the last word of their copy."""
    catalogue = Catalogue()
    for copy in copies:
        try:
            catalogue.apply(copy)
        except RefusedError:
            assert copy.value is not None
    return catalogue


def titles(catalogue: Catalogue, *ids: str) -> list[str | None]:
    items = [catalogue.item(item_hash(item_id)) for item_id in ids]
    return [None if item is None else item.title for item in items]


def table(version: str = "1", **interactions: int) -> ReleaseItems:
    rows = [
        ReleaseItem(item_id=name, interactions=count, title=f"released {name}", categories=["r"])
        for name, count in interactions.items()
    ]
    return release_items("recommender", version, f"sha of {sorted(interactions.items())}", rows)


def test_an_item_is_found_by_its_hash() -> None:
    catalogue = knows(said(update("a", "Alien", categories=["sf"])))
    assert catalogue.id_of(item_hash("a")) == "a"
    assert catalogue.item(item_hash("a")) == Item("a", "Alien", ("sf",), available=True)
    assert catalogue.id_of(item_hash("b")) is None
    assert catalogue.item(item_hash("b")) is None


@pytest.mark.parametrize(
    ("copies", "title"),
    [
        # Within one topic the offset decides, whatever the times say.
        ([said(update("a", "old"), timestamp_ms=9), said(update("a", "new"), offset=1)], "new"),
        ([said(update("a", "new"), offset=1), said(update("a", "old"), offset=0)], "new"),
        # Between topics the larger append time, then the larger origin.
        (
            [
                said(update("a", "late"), timestamp_ms=9, offset=0),
                said(update("a", "early"), timestamp_ms=8, offset=7, origin="west"),
            ],
            "late",
        ),
        (
            [said(update("a", "west's"), origin="west"), said(update("a", "east's"))],
            "west's",
        ),
        # A null frees what its topic said, and nothing else.
        ([said(update("a", "gone")), said(None, offset=1)], None),
        (
            [
                said(update("a", "east's"), timestamp_ms=9),
                said(update("a", "west's"), timestamp_ms=8, origin="west"),
                said(None, offset=1, timestamp_ms=10),
            ],
            "west's",
        ),
        # Compaction would leave nothing of what came before a record that cannot be used.
        ([said(update("a", "gone")), said(b"{", offset=1)], None),
    ],
)
def test_what_holds(copies: list[Copy], title: str | None) -> None:
    assert titles(knows(*copies), "a") == [title]


def test_withdrawal_is_a_value() -> None:
    catalogue = knows(said(update("a")), said(update("a", available=False), offset=1))
    item = catalogue.item(item_hash("a"))
    assert item is not None
    assert not item.available
    assert catalogue.counts() == (0, 1)
    assert list(catalogue.popular()) == []


@pytest.mark.parametrize(
    ("copy", "reason"),
    [
        (said(update("b")), Reason.OUT_OF_BOUNDS),
        (said(b"[]"), Reason.WRONG_TYPE),
        (said(b'{"item_id":"a"}'), Reason.MISSING_FIELD),
        (said(update("a"), headers=[("schema", b"item-update/2")]), Reason.NEWER_VERSION),
        (copy_of(update("a"), key=None), Reason.MISSING_FIELD),
        (copy_of(update("a"), key=b"\xff"), Reason.NOT_UTF8),
    ],
)
def test_what_cannot_be_used_is_refused_with_its_reason(copy: Copy, reason: Reason) -> None:
    catalogue = knows(said(update("c"), key="c"))
    with pytest.raises(RefusedError) as refused:
        catalogue.apply(copy)
    assert refused.value.reason == reason
    assert titles(catalogue, "a", "b", "c") == [None, None, "t"]


MESSAGES = st.one_of(
    st.none(),
    st.just(b"not json"),
    st.tuples(st.sampled_from(["x", "y"]), st.booleans()),
)


@st.composite
def logs(draw: st.DrawFn) -> list[list[Copy]]:
    """The records of the partitions of two regions' topics, each in the order of its offsets."""
    partitions = []
    for origin in ("east", "west"):
        for partition in (0, 1):
            written = draw(st.lists(st.tuples(st.sampled_from("abc"), MESSAGES), max_size=8))
            times = draw(st.lists(st.integers(1, 5), min_size=len(written), max_size=len(written)))
            log = []
            for offset, ((key, message), time) in enumerate(zip(written, times, strict=True)):
                if isinstance(message, tuple):
                    value = update(key, message[0], available=message[1])
                else:
                    value = message
                log.append(
                    said(
                        value, key, origin=origin, partition=partition, offset=offset,
                        timestamp_ms=time,
                    )
                )  # fmt: skip
            partitions.append(log)
    return partitions


def everything(catalogue: Catalogue) -> tuple[object, ...]:
    items = tuple(catalogue.item(item_hash(name)) for name in "abc")
    return items, catalogue.digest, catalogue.counts(), tuple(catalogue.popular())


@given(logs(), st.randoms())
def test_the_order_of_copies_and_compaction_do_not_matter(partitions: list[list[Copy]], random):
    straight = [copy for log in partitions for copy in log]
    mixed = []
    left = [list(log) for log in partitions if log]
    while left:
        log = random.choice(left)
        mixed.append(log.pop(0))
        left = [log for log in left if log]
    last = {(copy.origin, copy.partition, copy.key): copy for copy in straight}
    compacted = [copy for copy in straight if last[copy.origin, copy.partition, copy.key] is copy]
    again = straight + straight[: len(straight) // 2]
    wanted = everything(knows(*straight))
    for other in (mixed, compacted, again):
        assert everything(knows(*other)) == wanted


def test_the_digest_follows_content_and_comes_back_with_it() -> None:
    empty = Catalogue().digest
    catalogue = knows(said(update("a")))
    one = catalogue.digest
    catalogue.apply(said(update("a", available=False), offset=1))
    withdrawn = catalogue.digest
    catalogue.apply(said(None, offset=2))
    assert catalogue.digest == empty
    assert len({empty, one, withdrawn}) == 3
    catalogue.use_releases([table(a=1)])
    assert catalogue.digest != empty
    catalogue.use_releases([])
    assert catalogue.digest == empty


def test_prices_are_not_in_the_digest() -> None:
    cheap, dear = update("a", price=0.1), update("a", price=0.2)
    assert knows(said(cheap)).digest == knows(said(dear)).digest


def test_an_update_says_more_than_a_release() -> None:
    catalogue = knows(said(update("a", "updated", available=False)))
    catalogue.use_releases([table(a=3, b=5), table("2", c=1)])
    assert titles(catalogue, "a", "b", "c") == ["updated", "released b", "released c"]
    assert catalogue.counts() == (2, 1)
    catalogue.apply(said(None, offset=1))
    assert titles(catalogue, "a") == ["released a"]
    assert catalogue.counts() == (3, 0)
    assert knows().counts() == (0, 0)


def test_popular_is_the_release_and_then_what_is_new() -> None:
    catalogue = knows(
        said(update("old"), "old", timestamp_ms=1),
        said(update("new"), "new", timestamp_ms=2, offset=1),
        said(update("gone", available=False), "gone", offset=2),
        said(update("b"), "b", offset=3),
    )
    names = [catalogue.id_of(popular.item) for popular in catalogue.popular()]
    assert names == ["b", "new", "old"]
    catalogue.use_releases([table(a=3, b=5, gone=9), table("2", c=100)])
    assert list(catalogue.popular()) == [
        Popular(item_hash("b"), 5),
        Popular(item_hash("a"), 3),
        Popular(item_hash("new"), 0),
        Popular(item_hash("old"), 0),
    ]


@pytest.mark.parametrize("order", [("a", "b"), ("b", "a")])
def test_of_two_ids_with_one_hash_the_smaller_stays(
    order: tuple[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    catalogue = Catalogue(hash_of=lambda _: 7)
    with caplog.at_level(logging.ERROR):
        for offset, name in enumerate(order):
            catalogue.apply(said(update(name), name, offset=offset))
    assert catalogue.id_of(7) == "a"
    assert "share the hash" in caplog.text
    catalogue.apply(said(None, "a", offset=9))
    assert catalogue.id_of(7) == "b"
