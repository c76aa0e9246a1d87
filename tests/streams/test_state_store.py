"""The store beside the worker: what was written is there, and damage is never taken for a state."""

import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from schemas.state import MARKER_KEY, POSITION_KEY, Marker, Position
from streams.state.store import Change, DamagedError, Store, StoreError
from tests.streams.conftest import CHANGELOG

CHECKOUT = Path(__file__).parents[2]
POSITION = Position(offsets={"a": 3})
MARKER = Marker(fold=1, changelog="one", offsets={"a": 2})
STATES = {f"user-{n}": random.Random(n).randbytes(300) for n in range(500)}


def users(states: dict[str, bytes]) -> Iterator[Change]:
    for user_id, state in states.items():
        yield Change(b"U" + user_id.encode(), state)


def test_a_new_store_holds_nothing(store: Store) -> None:
    assert store.state("ann") is None
    assert store.position() is None
    assert store.marker() is None
    assert store.restored_to() is None
    assert not list(store.states())


def test_what_was_written_is_there_behind_a_restart(open_store: Callable[..., Store]) -> None:
    store = open_store()
    records = [
        *users({"ann": b"1", "bob": b"2", "zoë": b"3"}),
        Change(POSITION_KEY, msgspec.json.encode(POSITION)),
        Change(MARKER_KEY, msgspec.json.encode(MARKER)),
    ]
    store.write(records, restored_to=17)
    store.write([Change(b"Ubob", None), Change(b"Uann", b"4")])
    store.close()
    store = open_store()
    assert store.state("ann") == b"4"
    assert store.state("bob") is None
    assert store.position() == POSITION
    assert store.marker() == MARKER
    assert store.restored_to() == 17, "a spill does not move it"
    assert dict(store.states()) == {"ann": b"4", "zoë": b"3"}


def test_a_store_of_another_changelog_is_made_anew_with_a_sentence(
    open_store: Callable[..., Store], caplog: pytest.LogCaptureFixture
) -> None:
    store = open_store()
    store.write(users(STATES), restored_to=9)
    store.close()
    store = open_store(changelog_id="another")
    assert not list(store.states())
    assert store.restored_to() is None
    assert "belongs to a changelog that was deleted since" in caplog.text


def test_a_store_that_is_ahead_of_its_changelog_is_cleared_with_a_sentence(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    store.write(users(STATES), restored_to=9)
    store.clear()
    assert not list(store.states())
    assert store.restored_to() is None
    assert "ahead of the changelog" in caplog.text
    store.write(users(STATES), restored_to=5)
    assert dict(store.states()) == STATES


def garbage(file: Path) -> None:
    content = file.read_bytes()
    third = max(2, len(content) // 3)
    file.write_bytes(content[:third] + b"\xff\x00" * (third // 2) + content[third * 2 :])


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def empty(file: Path) -> None:
    file.write_bytes(b"")


FILES = ("CURRENT", "MANIFEST-*", "*.sst", "*.log", "OPTIONS-*", "rocksdict-config.json")
ESSENTIAL = ("CURRENT", "MANIFEST-*", "*.sst")


@pytest.mark.parametrize("damage", [garbage, cut, empty, Path.unlink])
@pytest.mark.parametrize("files", FILES)
def test_a_damaged_file_is_noticed_and_the_store_made_anew(
    files: str,
    damage: Callable[[Path], None],
    open_store: Callable[..., Store],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    for _ in range(2):  # opened again, what was written moves from the log into a table
        store = open_store()
        store.write(users(STATES), restored_to=9)
        store.close()
    found = list((tmp_path / "0").glob(files))
    assert found
    for file in found:
        damage(file)
    store = open_store()
    try:
        states = {user_id: store.state(user_id) for user_id in STATES}
    except DamagedError as error:
        said = str(error)
        store.close()
        store = open_store()
        states = {user_id: store.state(user_id) for user_id in STATES}
    else:
        said = "made anew from the changelog at the next start"
    assert "made anew from the changelog at the next start" in said
    if files in ESSENTIAL:
        assert "is made anew from the changelog" in caplog.text
        assert store.restored_to() is None
        assert not any(states.values())
    else:
        assert store.restored_to() == 9
        assert states == STATES


WRITES = 60
KILLED = """
import os, sys
from pathlib import Path
from streams.state.store import Change, Store
store = Store(Path(sys.argv[1]), sys.argv[2])
for n in range(1, int(sys.argv[3]) + 1):
    store.write([Change(b"U%d" % n, bytes(50)), Change(b"Ulast", b"%d" % n)], restored_to=n)
os._exit(0)
"""


@pytest.mark.parametrize("damage", [None, garbage, cut, empty, Path.unlink])
def test_a_damaged_log_of_a_killed_process_loses_whole_writes_from_the_end(
    damage: Callable[[Path], None] | None,
    open_store: Callable[..., Store],
    tmp_path: Path,
) -> None:
    arguments = [KILLED, tmp_path / "0", CHANGELOG, str(WRITES)]
    subprocess.run([sys.executable, "-c", *arguments], cwd=CHECKOUT, check=True)
    (log,) = (file for file in (tmp_path / "0").glob("*.log") if file.stat().st_size)
    if damage is not None:
        damage(log)
    store = open_store()
    last = store.restored_to() or 0
    assert last == WRITES if damage is None else last < WRITES
    assert store.state("last") == (str(last).encode() if last else None)
    kept = {user_id for user_id, _ in store.states()} - {"last"}
    assert kept == {str(n) for n in range(1, last + 1)}


HOLDER = """
import sys
from pathlib import Path
from streams.state.store import Store
store = Store(Path(sys.argv[1]), sys.argv[2])
print("held", flush=True)
sys.stdin.read()
"""


def test_a_store_that_another_process_holds_is_left_alone(
    open_store: Callable[..., Store], tmp_path: Path
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, tmp_path / "0", CHANGELOG],
        cwd=CHECKOUT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(StoreError, match=r"held by another process.*TIDEMILL_STATE_DIR"):
            open_store()
        holder.communicate()
    assert open_store().restored_to() is None
