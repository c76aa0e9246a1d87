"""What a backup's files are made of: blocks, seals, manifests. Every change of a byte is found."""

import hashlib
import itertools
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.backup import blocks, manifest
from infra.backup.blocks import BLOCK_BYTES
from infra.backup.manifest import Encryption, Manifest
from infra.backup.place import Place
from infra.backup.problems import BackupError, DamagedError, KeyFileError
from infra.backup.sealing import UNSEALED, Key, Seal
from streams.state.fold import FOLD_VERSION
from tests.infra.backup_manifests import manifest_of
from tests.schemas import strategies

KEY = Key(bytes(range(32)))
SEALS = st.sampled_from([UNSEALED, KEY.seal("one")])
RECORDS = st.lists(st.tuples(st.binary(max_size=300), st.binary(max_size=2_000)), max_size=30)
_NAMES = itertools.count()


@pytest.fixture(scope="module")
def place() -> Place:
    """In memory; each example writes a file of its own."""
    return Place("memory://backup-formats")


@given(RECORDS)
def test_records_come_back_from_their_blocks(records: list[tuple[bytes, bytes]]) -> None:
    assert [r for block in blocks.pack(records) for r in blocks.unpack(block)] == records


def test_blocks_stay_small_and_none_is_empty() -> None:
    records = [(b"k", bytes(300_000))] * 9
    packed = list(blocks.pack(records))
    assert len(packed) == 3
    assert all(BLOCK_BYTES <= len(block) < BLOCK_BYTES + 300_010 for block in packed[:-1])
    assert not list(blocks.pack([]))


@given(st.binary(max_size=60))
def test_what_are_no_records_is_refused(block: bytes) -> None:
    try:
        found = list(blocks.unpack(block))
    except ValueError:
        return
    assert b"".join(blocks.pack(found)) == block


@given(content=st.lists(st.binary(max_size=400), max_size=5), seal=SEALS)
def test_blocks_come_back_from_their_file(place: Place, content: list[bytes], seal: Seal) -> None:
    name = f"file-{next(_NAMES)}"
    file = blocks.write(place, "one", name, content, seal)
    stored = place.read(f"one/{name}")
    assert (file.bytes, file.sha256) == (len(stored), hashlib.sha256(stored).hexdigest())
    blocks.check(place, "one", file)
    assert list(blocks.read(place, "one", file, seal)) == content


@given(seal=SEALS, at=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_flipped_bit_is_found_where_it_is(place: Place, seal: Seal, at: float, bit: int) -> None:
    name = f"file-{next(_NAMES)}"
    content = [bytes([n]) * 40 for n in range(4)]
    file = blocks.write(place, "one", name, content, seal)
    stored = bytearray(place.read(f"one/{name}"))
    where = int(at * len(stored))
    stored[where] ^= 1 << bit
    with place.create(f"one/{name}") as write:
        write(bytes(stored))
    with pytest.raises(DamagedError, match=rf"{name} is damaged at offset (\d+)") as found:
        blocks.check(place, "one", file)
    offset = int(str(found.value).split("offset ")[1].split(":")[0])
    assert offset % (len(stored) // 4) == 0
    assert offset <= where < offset + len(stored) // 4
    with pytest.raises(DamagedError):
        list(blocks.read(place, "one", file, seal))


@given(length=st.integers(0, 200), seal=SEALS)
def test_a_file_cut_or_grown_is_refused(place: Place, length: int, seal: Seal) -> None:
    name = f"file-{next(_NAMES)}"
    file = blocks.write(place, "one", name, [b"a" * 40, b"b" * 40], seal)
    stored = place.read(f"one/{name}")
    if length == len(stored):
        return
    with place.create(f"one/{name}") as write:
        write((stored + bytes(200))[:length])
    with pytest.raises(DamagedError, match="offset"):
        blocks.check(place, "one", file)


def test_another_file_with_right_blocks_is_refused(place: Place) -> None:
    file = blocks.write(place, "one", "a", [b"1"], UNSEALED)
    blocks.write(place, "one", "a", [b"2"], UNSEALED)
    with pytest.raises(DamagedError, match="sha256"):
        blocks.check(place, "one", file)


def test_a_missing_file_is_refused(place: Place) -> None:
    file = blocks.write(place, "one", "gone", [b"1"], UNSEALED)
    place.remove("one/gone")
    with pytest.raises(DamagedError, match="missing"):
        blocks.check(place, "one", file)


@given(st.binary(max_size=500), st.text(max_size=20))
def test_a_sealed_block_opens_with_its_key_at_its_place_only(plain: bytes, where: str) -> None:
    seal = KEY.seal("one")
    stored = seal.close(plain, where)
    assert seal.open(stored, where) == plain
    assert seal.close(plain, where) != stored
    for other, place in ((KEY.seal("two"), where), (Key(bytes(32)).seal("one"), where),
                         (seal, where + "/1")):  # fmt: skip
        with pytest.raises(ValueError, match="not sealed with this key"):
            other.open(stored, place)


@pytest.mark.parametrize("text", ["", "00" * 31, "00" * 33, "zz" * 32])
def test_a_key_file_holds_32_bytes(text: str, tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text(text)
    with pytest.raises(KeyFileError):
        Key.read(path)
    with pytest.raises(KeyFileError, match="cannot be read"):
        Key.read(tmp_path / "none")


def test_a_key_is_read_from_its_file(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text(bytes(range(32)).hex() + "\n")
    assert Key.read(path).id == KEY.id
    assert Key(bytes(32)).id != KEY.id


MANIFESTS = strategies.of(Manifest)


@given(MANIFESTS, st.booleans())
def test_a_manifest_comes_back(made: Manifest, sealed: bool) -> None:  # noqa: FBT001
    made = msgspec.structs.replace(
        made, format=1, encryption=Encryption(key=KEY.id) if sealed else None
    )
    seal = KEY.seal(made.id) if sealed else UNSEALED
    content = manifest.encode(made, seal)
    assert manifest.decode(content, "here") == made
    if sealed:
        manifest.require_signature(content, seal, "here")
        with pytest.raises(DamagedError):
            manifest.require_signature(content, Key(bytes(32)).seal(made.id), "here")


def believed(content: bytes, seal: Seal) -> None:
    """As whoever has the key reads a manifest."""
    if manifest.decode(content, "here").encryption:
        manifest.require_signature(content, seal, "here")


@given(at=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7), sealed=st.booleans())
def test_a_flipped_bit_of_a_manifest_is_found(at: float, bit: int, sealed: bool) -> None:  # noqa: FBT001
    made = manifest_of(encryption=Encryption(key=KEY.id) if sealed else None)
    seal = KEY.seal(made.id) if sealed else UNSEALED
    content = bytearray(manifest.encode(made, seal))
    content[int(at * len(content))] ^= 1 << bit
    with pytest.raises(DamagedError):
        believed(bytes(content), seal)


def test_a_manifest_of_a_newer_release_is_named() -> None:
    content = manifest.encode(manifest_of(format=2), UNSEALED)
    with pytest.raises(BackupError, match="format 2, this release reads 1"):
        manifest.decode(content, "here")


@pytest.mark.parametrize(
    "fields", [{"state_formats": [1, 9]}, {"bounds": 9}, {"folds": [FOLD_VERSION, 9]}]
)
def test_states_that_this_release_does_not_read_are_refused(fields: dict[str, object]) -> None:
    manifest_of().require_readable()
    with pytest.raises(BackupError, match="9"):
        manifest_of(**fields).require_readable()
