"""What is served, to whom, and with which items."""

import asyncio
import hashlib
import logging
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest

from schemas.codec import Reason, RefusedError
from schemas.control import Canary, ModelRelease, Served
from schemas.identifiers import item_hash
from schemas.releases import ITEMS, MANIFEST, Manifest, ReleaseItem, TextSpace, Training
from streams.catalogue.items import Catalogue
from streams.catalogue.release_items import ReleaseError, newest_version, read_release_items
from streams.catalogue.releases import Releases
from streams.catalogue.served_items import ServedItems
from tests.streams.control_copies import content, copy_of

MODEL = "recommender"


def release(
    revision: int = 1,
    region: str = "east",
    served: dict[str, Served] | None = None,
    url: str = "/nowhere/{version}",
    digest: str = "0",
    model: str = MODEL,
) -> ModelRelease:
    return ModelRelease(
        model=model,
        revision=revision,
        region=region,
        url=url,
        hash=digest,
        served={"east": Served(version="1")} if served is None else served,
    )


def of(*records: ModelRelease) -> Releases:
    releases = Releases()
    for each in records:
        releases.apply(copy_of(each, key=each.model, topic="model-releases"))
    return releases


def written(root: Path, version: str, *names: str, space: TextSpace | None = None) -> str:
    """A release folder with an item table; the hash of its manifest."""
    folder = root / version
    folder.mkdir(parents=True, exist_ok=True)
    rows = [ReleaseItem(item_id=name, interactions=n) for n, name in enumerate(names)]
    table = msgspec.json.encode(rows)
    manifest = msgspec.json.encode(
        Manifest(
            model=MODEL,
            version=version,
            created_ms=1,
            training=Training(
                dataset="d", fingerprint="f", interactions=1, users=1, seed=1, seconds=1
            ),
            metrics={},
            files={ITEMS: hashlib.sha256(table).hexdigest()},
            text=space,
        )
    )
    (folder / ITEMS).write_bytes(table)
    (folder / MANIFEST).write_bytes(manifest)
    return hashlib.sha256(manifest).hexdigest()


def ids(catalogue: Catalogue) -> set[str | None]:
    return {catalogue.id_of(popular.item) for popular in catalogue.popular()}


def test_the_highest_revision_and_then_region_holds() -> None:
    records = [release(1), release(2, "west"), release(2, "east"), release(1, "west")]
    for order in (records, records[::-1]):
        assert content(of(*order).current(MODEL)) == content(release(2, "west"))
    assert of(*records).current("another") is None


def test_records_that_cannot_be_used_change_nothing() -> None:
    releases = of(release())
    for value, key, reason in (
        (None, MODEL, Reason.NULL_VALUE),
        (release(9), "another", Reason.OUT_OF_BOUNDS),
        (b"{", MODEL, Reason.NOT_JSON),
    ):
        with pytest.raises(RefusedError) as refused:
            releases.apply(copy_of(value, key=key))
        assert refused.value.reason == reason
    assert content(releases.current(MODEL)) == content(release())


def test_a_region_that_serves_nothing_has_no_version() -> None:
    assert of(release()).version_for(MODEL, "west", "ann") is None
    assert of().version_for(MODEL, "east", "ann") is None
    assert of(release()).version_for(MODEL, "east", "ann") == "1"


def test_a_canary_gets_its_share_and_keeps_its_users_as_it_grows() -> None:
    users = [f"user-{n}" for n in range(4000)]
    sides = []
    for share in (0.0, 0.1, 0.3, 1.0):
        served = {"east": Served(version="1", canary=Canary(version="2", share=share))}
        releases = of(release(served=served))
        sides.append({u for u in users if releases.version_for(MODEL, "east", u) == "2"})
        assert len(sides[-1]) == pytest.approx(share * len(users), abs=100)
    assert sides == sorted(sides, key=len)
    assert all(small <= large for small, large in pairwise(sides))


def test_the_newest_version_counts_as_a_number() -> None:
    served = {
        "east": Served(version="9"),
        "west": Served(version="8", canary=Canary(version="10", share=0.1)),
    }
    assert newest_version(release(served=served)) == "10"
    assert newest_version(release(served={})) is None


def test_a_release_is_read_and_ranked(tmp_path: Path) -> None:
    digest = written(tmp_path, "1", "a", "b", "c")
    found = read_release_items(release(url=f"{tmp_path}/{{version}}", digest=digest), "1")
    assert [found.items[code].item_id for code in found.popular] == ["c", "b", "a"]
    assert found.items[item_hash("b")].interactions == 1


def test_an_older_version_is_vouched_for_by_its_own_manifest(tmp_path: Path) -> None:
    written(tmp_path, "1", "a")
    digest = written(tmp_path, "2", "b")
    served = {"east": Served(version="1"), "west": Served(version="2")}
    record = release(url=f"{tmp_path}/{{version}}", digest=digest, served=served)
    assert item_hash("a") in read_release_items(record, "1").items
    assert item_hash("b") in read_release_items(record, "2").items


@pytest.mark.parametrize(
    ("file", "content", "says"),
    [
        (None, b"", "sha256"),
        (MANIFEST, None, "cannot be read"),
        (ITEMS, None, "cannot be read"),
        (ITEMS, b"[]", "its manifest says"),
        (MANIFEST, b"{", "not a manifest"),
        (MANIFEST, b"\xff", "not a manifest"),
    ],
)
def test_a_release_that_is_not_what_it_says_is_refused(
    tmp_path: Path, file: str | None, content: bytes | None, says: str
) -> None:
    digest = written(tmp_path, "1", "a")
    if file is None:
        digest = "0" * 64
    elif content is None:
        (tmp_path / "1" / file).unlink()
    else:
        (tmp_path / "1" / file).write_bytes(content)
        if file == MANIFEST:
            digest = hashlib.sha256(content).hexdigest()
    with pytest.raises(ReleaseError, match=says):
        read_release_items(release(url=f"{tmp_path}/{{version}}", digest=digest), "1")


def test_a_folder_of_another_version_is_refused(tmp_path: Path) -> None:
    digest = written(tmp_path, "2", "a")
    with pytest.raises(ReleaseError, match="holds recommender 2, not recommender 1"):
        read_release_items(release(url=str(tmp_path / "2"), digest=digest), "1")


def test_an_unknown_file_system_is_a_sentence() -> None:
    with pytest.raises(ReleaseError, match="cannot be read"):
        read_release_items(release(url="nonsense://x/{version}"), "1")


def test_the_catalogue_follows_what_is_served_and_keeps_the_old_on_failure(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    url = f"{tmp_path}/{{version}}"
    catalogue, releases = Catalogue(), Releases()
    served_items = ServedItems(catalogue, releases, "east")

    def serve(revision: int, digest: str, version: str, canary: str | None = None) -> str | None:
        share = None if canary is None else Canary(version=canary, share=0.1)
        record = release(
            revision, url=url, digest=digest, served={"east": Served(version=version, canary=share)}
        )
        releases.apply(copy_of(record, key=MODEL))
        return asyncio.run(served_items.refresh())

    assert asyncio.run(served_items.refresh()) is None
    assert ids(catalogue) == set()
    assert serve(1, written(tmp_path, "1", "a"), "1") is None
    assert ids(catalogue) == {"a"}
    with caplog.at_level(logging.ERROR):
        failure = serve(2, "0" * 64, "2")
        asyncio.run(served_items.refresh())
    assert failure is not None
    assert "stay as they were" in failure
    assert len(caplog.records) == 1  # said once, not at every attempt
    assert ids(catalogue) == {"a"}
    second = written(tmp_path, "2", "b")
    assert serve(3, second, "2") is None
    assert ids(catalogue) == {"b"}
    assert serve(4, second, "1", canary="2") is None
    assert ids(catalogue) == {"a"}  # what is popular is the served version's
    assert catalogue.id_of(item_hash("b")) == "b"  # what the canary recommends has an id
