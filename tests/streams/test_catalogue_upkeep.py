"""What the catalogue stage writes to `item-vectors`: each vector once, whatever goes wrong."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from schemas.control import ModelRelease, Served
from schemas.items import ItemUpdate, ItemVector, text_hash
from schemas.releases import TextSpace
from schemas.serving import MAX_TEXTS, MODEL
from streams.catalogue.encoder import EncoderError
from streams.catalogue.items import Catalogue
from streams.catalogue.releases import Releases
from streams.catalogue.served_items import ServedItems
from streams.catalogue.upkeep import READ_BACK_S, RETRY_S, Upkeep
from streams.catalogue.vectors import Vectors
from streams.lane.contract import Produced
from tests.streams.control_copies import copy_of
from tests.streams.test_catalogue_releases import written

SPACE = TextSpace(encoder="hashed", dim=2, slope=1.0, offset=0.0)
SLOTS = 4


class Shop:
    """Everything but Kafka and Triton; what is written is read back when the test says so."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.catalogue, self.vectors, self.releases = Catalogue(), Vectors(1000), Releases()
        self.served = ServedItems(self.catalogue, self.releases, "east")
        self.now_s = 100.0
        self.asked: list[tuple[str, ...]] = []
        self.is_away = False
        self._offset = 0
        self.upkeep = Upkeep(
            self.catalogue, self.served, self.vectors, self, 1000, SLOTS, lambda: self.now_s
        )

    async def encode(self, texts: Sequence[str], version: str, dim: int) -> NDArray[np.float32]:
        """Stands for Triton's encoder."""
        self.asked.append(tuple(texts))
        if self.is_away:
            raise EncoderError("nobody there")
        return np.full((len(texts), dim), int(version), np.float32)

    def serve(self, version: str, *items: str, space: TextSpace | None = SPACE) -> None:
        digest = written(self.folder, version, *items, space=space)
        record = ModelRelease(
            model=MODEL, revision=int(version), region="east", url=f"{self.folder}/{{version}}",
            hash=digest, served={"east": Served(version=version)},
        )  # fmt: skip
        self.releases.apply(copy_of(record, key=MODEL))

    def refresh(self) -> None:
        assert asyncio.run(self.served.refresh()) is None

    def sell(self, *items: str, **more: object) -> None:
        for item in items:
            self._offset += 1
            update = ItemUpdate(item_id=item, title=f"T {item}", at_ms=1, **more)
            self.catalogue.apply(
                copy_of(update, key=item, topic="item-updates", offset=self._offset)
            )

    def write(self) -> list[Produced]:
        """All that the slots have to write now."""
        self.now_s += 0.5
        found = []
        for slot in range(SLOTS):
            wants = self.upkeep.wants(slot)
            batch = asyncio.run(self.upkeep.take(slot))
            assert wants == bool(batch)
            found += batch
        return found

    def read(self, produced: Sequence[Produced]) -> None:
        for record in produced:
            self.vectors.apply(copy_of(record.value, key=record.key, topic="item-vectors"))


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    made = Shop(tmp_path)
    made.serve("1", "old")
    made.refresh()
    return made


def keys(produced: Sequence[Produced]) -> set[bytes | None]:
    return {record.key for record in produced}


def test_a_new_item_is_encoded_once(shop: Shop) -> None:
    shop.sell("old", "new")
    (record,) = shop.write()
    assert record.key == b"recommender/1/new"
    assert ItemVector.decode(record.value or b"") == ItemVector(text_hash("T new"), (1.0, 1.0))
    assert not shop.write()  # it is on its way
    shop.read([record])
    shop.now_s += 2 * READ_BACK_S
    assert not shop.write()
    assert shop.asked == [("T new",)]


def test_what_was_not_read_back_is_written_again(shop: Shop) -> None:
    shop.sell("new")
    first = shop.write()
    shop.now_s += READ_BACK_S
    assert shop.write() == first


def test_while_triton_is_away_items_wait(shop: Shop) -> None:
    shop.is_away = True
    shop.sell("new")
    slot = next(slot for slot in range(SLOTS) if shop.upkeep.wants(slot))
    assert asyncio.run(shop.upkeep.take(slot)) == []
    assert shop.upkeep.is_waiting(slot)
    assert not shop.upkeep.wants(slot)
    shop.is_away = False
    shop.now_s += RETRY_S
    assert keys(shop.write()) == {b"recommender/1/new"}
    assert not shop.upkeep.is_waiting(slot)


def test_withdrawn_items_and_former_versions_give_up_their_vectors(shop: Shop) -> None:
    shop.sell("a", "b")
    shop.read(shop.write())
    shop.sell("a", available=False)
    (record,) = shop.write()
    assert (record.key, record.value) == (b"recommender/1/a", None)
    shop.read([record])
    shop.serve("2", "old")
    assert not shop.write()  # what is served is not known until its table is read
    shop.refresh()
    found = [*shop.write(), *shop.write()]  # of one version each
    assert {(r.key, r.value is None) for r in found} == {
        (b"recommender/1/b", True), (b"recommender/2/b", False),
    }  # fmt: skip
    shop.read(found)
    shop.serve("3", "old", space=None)
    shop.refresh()
    assert keys(shop.write()) == {b"recommender/2/b"}


def test_many_are_written_a_few_at_a_time_by_all_slots(shop: Shop) -> None:
    names = [f"n{number}" for number in range(3 * SLOTS * MAX_TEXTS)]
    shop.sell(*names)
    found: list[Produced] = []
    while some := shop.write():
        assert len(some) <= SLOTS * MAX_TEXTS
        found += some
    assert len(found) == len(names)
    assert keys(found) == {f"recommender/1/{name}".encode() for name in names}
