"""Release folders in a backup: each once in a chain, whole or refused."""

from pathlib import Path

import pytest

from inference import releases
from inference.errors import ReleaseError
from infra.backup import folders
from infra.backup.blocks import BLOCK_BYTES
from infra.backup.manifest import Manifest, Release
from infra.backup.place import Place
from infra.backup.problems import BackupError, DamagedError
from infra.backup.sealing import UNSEALED, Key
from infra.local.home import Home
from schemas.serving import MODEL
from tests.inference.fitted import fitted
from tests.infra.backup_manifests import manifest_of

SEALS = {"one": Key(bytes(range(32))).seal("one"), "two": UNSEALED}


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path / "home", tmp_path / "tools")
    releases.write(fitted(), made.releases, {})
    return made


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(str(tmp_path / "kept"))


def saved(home: Home, place: Place, id_: str, kept: list[Release]) -> Manifest:
    return manifest_of(id=id_, releases=folders.save(home, place, id_, SEALS[id_], kept))


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_releases_come_back_as_they_were(home: Home, place: Place, tmp_path: Path) -> None:
    model = home.releases / MODEL
    made = saved(home, place, "one", [])
    releases.write(fitted(), home.releases, {})
    later = saved(home, place, "two", made.releases)
    assert [(one.version, one.kept_in) for one in later.releases] == [("1", "one"), ("2", "two")]
    assert {name.split("-")[2] for name in content(tmp_path / "kept" / "two")} == {"2"}
    folders.check(place, later, SEALS)
    empty = Home(tmp_path / "empty", tmp_path / "tools")
    assert folders.restore(empty, place, later, SEALS) == [f"{MODEL}/1", f"{MODEL}/2"]
    assert folders.restore(empty, place, later, SEALS) == []
    for version in "12":
        assert content(empty.releases / MODEL / version) == content(model / version)


def test_a_region_without_releases_saves_none(place: Place, tmp_path: Path) -> None:
    assert saved(Home(tmp_path / "no", tmp_path), place, "one", []).releases == []


def test_a_changed_release_is_not_saved(home: Home, place: Place) -> None:
    (home.releases / MODEL / "1" / "items.json").write_bytes(b"[]")
    with pytest.raises(ReleaseError, match="changed after the release was made"):
        saved(home, place, "one", [])


def test_another_release_of_the_same_version_is_left_alone(
    home: Home, place: Place, tmp_path: Path
) -> None:
    made = saved(home, place, "one", [])
    other = Home(tmp_path / "other", tmp_path / "tools")
    releases.write(fitted(), other.releases, {"hr@10": 0.5})
    before = content(other.releases / MODEL / "1")
    with pytest.raises(BackupError, match="another release"):
        folders.restore(other, place, made, SEALS)
    assert content(other.releases / MODEL / "1") == before


@pytest.mark.parametrize(
    "fields", [{"version": "../1"}, {"model": "../x"}, {"files": {"../x": None}}]
)
def test_a_release_cannot_be_written_elsewhere(
    fields: dict[str, object], home: Home, place: Place
) -> None:
    known: dict[str, object] = {"model": MODEL, "version": "7", "hash": "", "kept_in": "one",
                                "files": {}}  # fmt: skip
    made = manifest_of(id="one", releases=[Release(**(known | fields))])  # type: ignore[arg-type]
    with pytest.raises(BackupError, match="cannot be a release"):
        folders.restore(home, place, made, SEALS)


def test_a_damaged_file_brings_nothing_back(home: Home, place: Place, tmp_path: Path) -> None:
    made = saved(home, place, "one", [])
    (path,) = (tmp_path / "kept" / "one").glob("*model.npz")
    stored = bytearray(path.read_bytes())
    assert len(stored) < BLOCK_BYTES
    stored[len(stored) // 2] ^= 1
    path.write_bytes(stored)
    empty = Home(tmp_path / "empty", tmp_path / "tools")
    with pytest.raises(DamagedError, match=r"model\.npz is damaged at offset 0"):
        folders.check(place, made, SEALS)
    with pytest.raises(DamagedError):
        folders.restore(empty, place, made, SEALS)
    assert releases.versions(empty.releases / MODEL) == []
