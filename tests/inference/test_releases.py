"""Releases: whole, numbered, verified, installed once."""

import resource
import threading

import msgspec
import pytest

from inference import releases
from inference.errors import ReleaseError
from inference.repository import CONFIG, MODEL_CODE
from inference.training import train
from schemas.releases import GOLDEN, ITEMS, MANIFEST, Manifest
from schemas.serving import MODEL
from tests.inference.fitted import fitted
from tests.inference.logs import chains

METRICS = {"hr@10": 0.25}
FILES = (ITEMS, "model.npz", GOLDEN)


@pytest.fixture
def release(tmp_path):
    return releases.write(fitted(), tmp_path / "releases", METRICS)


def test_what_a_release_holds(release, tmp_path):
    assert release == tmp_path / "releases" / MODEL / "1"
    manifest, items = releases.read(release, releases.manifest_hash_of(release))
    assert (manifest.model, manifest.version, manifest.metrics) == (MODEL, "1", METRICS)
    assert manifest.training == fitted().training
    assert items == list(fitted().items)
    assert sorted(path.name for path in release.iterdir()) == sorted([*FILES, MANIFEST])


def test_what_lies_beside_the_model_is_under_its_hashes_too(tmp_path):
    release = releases.write(fitted(), tmp_path, METRICS, beside={"training.json": b"{}"})
    assert (release / "training.json").read_bytes() == b"{}"
    (release / "training.json").write_bytes(b"[]")
    with pytest.raises(ReleaseError, match=r"training\.json: it was changed"):
        releases.verify(release)


def test_versions_follow_each_other_also_when_written_at_once(release, tmp_path):
    writers = [
        threading.Thread(target=releases.write, args=(fitted(), tmp_path / "releases", METRICS))
        for _ in range(4)
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert releases.versions(release.parent) == [1, 2, 3, 4, 5]
    for version in range(1, 6):
        assert releases.verify(release.parent / str(version)).version == str(version)


def test_a_disk_that_fills_leaves_nothing_and_the_next_one_has_its_number(release):
    parent = release.parent
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200, before[1]))
    try:
        with pytest.raises(ReleaseError, match=rf"{parent}: .* cannot be written there: File too"):
            releases.write(fitted(), parent.parent, METRICS)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [path.name for path in parent.iterdir() if path.name != ".lock"] == ["1"]
    assert releases.write(fitted(), parent.parent, METRICS).name == "2"


@pytest.mark.parametrize("name", FILES)
def test_a_changed_byte_is_refused_and_named(release, name):
    content = bytearray((release / name).read_bytes())
    content[len(content) // 2] ^= 1
    (release / name).write_bytes(content)
    with pytest.raises(ReleaseError, match=rf"{name}: it was changed after the release was made"):
        releases.verify(release)


@pytest.mark.parametrize("name", [*FILES, MANIFEST])
def test_a_missing_file_is_named(release, name):
    (release / name).unlink()
    with pytest.raises(ReleaseError, match=rf"{name}: it cannot be read"):
        releases.verify(release)


def test_a_manifest_that_was_not_released(release):
    known = releases.manifest_hash_of(release)
    (release / MANIFEST).write_bytes((release / MANIFEST).read_bytes().replace(b"0.25", b"0.99"))
    releases.verify(release)
    with pytest.raises(ReleaseError, match=r"release\.json: it is not the manifest that was"):
        releases.verify(release, known)


@pytest.mark.parametrize("name", ["../other", "/etc/passwd", MANIFEST])
def test_a_manifest_cannot_point_elsewhere(release, name):
    manifest = msgspec.json.decode((release / MANIFEST).read_bytes(), type=Manifest)
    crafted = msgspec.structs.replace(manifest, files={**manifest.files, name: "0" * 64})
    (release / MANIFEST).write_bytes(msgspec.json.encode(crafted))
    with pytest.raises(ReleaseError, match="cannot be a file of the release"):
        releases.verify(release)


@pytest.mark.parametrize("change", [{"model": "../x"}, {"version": "0"}, {"version": "../1"}])
def test_a_manifest_cannot_name_another_place(release, change):
    manifest = msgspec.json.decode((release / MANIFEST).read_bytes(), type=Manifest)
    (release / MANIFEST).write_bytes(
        msgspec.json.encode(msgspec.structs.replace(manifest, **change))
    )
    with pytest.raises(ReleaseError, match="cannot be a release"):
        releases.verify(release)


@pytest.mark.parametrize("content", [b"{", b"{}"])
def test_a_broken_manifest(release, content):
    (release / MANIFEST).write_bytes(content)
    with pytest.raises(ReleaseError, match="it is no manifest"):
        releases.verify(release)


def test_install_gives_triton_what_it_needs_and_may_be_repeated(release, tmp_path):
    repository = tmp_path / "triton"
    for _ in range(2):
        target = releases.install(release, repository)
    assert target == repository / MODEL / "1"
    assert sorted(path.name for path in target.iterdir()) == sorted([*FILES, MANIFEST, "model.py"])
    assert (target / "model.py").read_bytes() == MODEL_CODE.read_bytes()
    assert (repository / MODEL / "config.pbtxt").read_bytes() == CONFIG.read_bytes()


def test_installing_again_brings_the_code_up_to_date(release, tmp_path):
    target = releases.install(release, tmp_path / "triton")
    (target / "model.py").write_text("old")
    releases.install(release, tmp_path / "triton")
    assert (target / "model.py").read_bytes() == MODEL_CODE.read_bytes()


def test_another_release_of_the_same_version_is_refused(release, tmp_path):
    releases.install(release, tmp_path / "triton")
    other = releases.write(train(chains(users=20)), tmp_path / "elsewhere", METRICS)
    with pytest.raises(ReleaseError, match="another release is installed as this version"):
        releases.install(other, tmp_path / "triton")


def test_a_release_that_was_changed_is_not_installed(release, tmp_path):
    (release / "model.npz").write_bytes(b"changed")
    with pytest.raises(ReleaseError, match=r"model\.npz: it was changed"):
        releases.install(release, tmp_path / "triton")
    assert not (tmp_path / "triton" / MODEL / "1").exists()


def test_an_installed_version_that_was_changed_is_named(release, tmp_path):
    target = releases.install(release, tmp_path / "triton")
    (target / "model.npz").write_bytes(b"changed")
    with pytest.raises(ReleaseError, match=r"triton/recommender/1/model\.npz: it was changed"):
        releases.install(release, tmp_path / "triton")
