"""The artifact store: whole, immutable, checked on the way there and back."""

import fsspec
import pytest

from inference import releases
from inference.errors import ReleaseError
from inference.releases.store import fetch, hash_at, put, url_of
from inference.training import train
from schemas.releases import GOLDEN, MANIFEST
from schemas.serving import MODEL
from tests.inference.fitted import fitted
from tests.inference.logs import chains


@pytest.fixture
def release(tmp_path):
    return releases.write(fitted(), tmp_path / "here", {})


@pytest.fixture(params=["file", "memory"])
def store(request, tmp_path):
    """The interface is fsspec's: what these two do, s3 and webhdfs do by other means."""
    files = fsspec.filesystem("memory")
    files.store.clear()
    return f"file://{tmp_path}/store" if request.param == "file" else "memory://kept/store"


def test_there_and_back_on_another_machine(release, store, tmp_path):
    url = put(release, store)
    assert put(release, store) == url == url_of(store, MODEL)
    known = releases.manifest_hash_of(release)
    assert hash_at(url, "1") == known
    for _ in range(2):
        found = fetch(url, "1", tmp_path / "there", MODEL, known)
        assert found == tmp_path / "there" / MODEL / "1"
        assert {p.name: p.read_bytes() for p in found.iterdir()} == {
            p.name: p.read_bytes() for p in release.iterdir()
        }


def test_a_version_is_never_replaced(release, store, tmp_path):
    url = put(release, store)
    other = releases.write(train(chains(users=20)), tmp_path / "other", {})
    with pytest.raises(ReleaseError, match="another release has this version there"):
        put(other, store)
    assert hash_at(url, "1") == releases.manifest_hash_of(release)


def test_what_was_broken_off_is_finished_by_the_next(release, store):
    url = put(release, store)
    files, root = fsspec.core.url_to_fs(url.replace("{version}", "1"))
    files.rm(f"{root}/{MANIFEST}")  # it goes last, so this is what a crash leaves
    files.pipe_file(f"{root}/{GOLDEN}", b"half")
    with pytest.raises(ReleaseError, match="cannot be read"):
        hash_at(url, "1")
    assert put(release, store) == url
    assert files.cat_file(f"{root}/{GOLDEN}") == (release / GOLDEN).read_bytes()


@pytest.mark.parametrize("name", ["model.npz", GOLDEN])
def test_a_changed_byte_is_refused_and_nothing_is_left(release, store, tmp_path, name):
    url = put(release, store)
    files, root = fsspec.core.url_to_fs(url.replace("{version}", "1"))
    content = bytearray(files.cat_file(f"{root}/{name}"))
    content[len(content) // 2] ^= 1
    files.pipe_file(f"{root}/{name}", bytes(content))
    with pytest.raises(ReleaseError, match=f"{name}: it was changed after the release"):
        fetch(url, "1", tmp_path / "there", MODEL)
    assert not (tmp_path / "there" / MODEL / "1").exists()


def test_another_manifest_than_the_record_names_is_refused(release, store, tmp_path):
    url = put(release, store)
    with pytest.raises(ReleaseError, match="not the manifest that was released"):
        fetch(url, "1", tmp_path / "there", MODEL, "0" * 64)


def test_a_store_that_cannot_be_reached_is_one_sentence(release):
    with pytest.raises(ReleaseError, match="nonsense://x/recommender/1 cannot be written"):
        put(release, "nonsense://x")
