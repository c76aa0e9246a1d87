"""Formats of user states, over releases: what was written once is read for ever after.

`states_format_1.json` holds bytes as format 1 wrote them. They are never made anew: a release
that cannot read them has lost its users' states.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import pytest

from schemas import state as state_module
from schemas.state import (
    BOUNDS_VERSION,
    EMPTY,
    FORMATS,
    MAPS,
    Interaction,
    Mark,
    UnknownFormatError,
    UserState,
)
from tests.schemas.format_2 import FORMAT_2, SECOND

WRITTEN: dict[str, str] = json.loads(Path(__file__).with_name("states_format_1.json").read_text())
DAY_MS = 86_400_000
THEN_MS = 1_700_000_000_000


def state_of(
    erased_ms: int, newest_ms: int, history: list[Interaction], **maps: list[Mark]
) -> UserState:
    packed = tuple(b"".join(mark.pack() for mark in maps.get(name, [])) for name in MAPS)
    return UserState(erased_ms, newest_ms, b"".join(entry.pack() for entry in history), packed)


STATES = {
    "nothing": EMPTY,
    "only erased": UserState(erased_to_ms=THEN_MS, newest_appended_ms=THEN_MS),
    "one of each": state_of(
        THEN_MS - DAY_MS,
        THEN_MS,
        [
            Interaction(THEN_MS - n, 2**63 + n, 8 - n, n * 9_000, 2**64 - 1 - n)
            for n in reversed(range(8))
        ],
        bought=[Mark(THEN_MS, 1, 1)],
        seen=[Mark(THEN_MS - 1, 2, 1), Mark(THEN_MS, 3, 1)],
        hidden=[Mark(THEN_MS, 4, 0)],
        cart=[Mark(THEN_MS - 2, 2**64 - 1, 0), Mark(THEN_MS, 1, 1)],
        followed=[Mark(THEN_MS, 5, 1)],
    ),
    "full": state_of(
        0,
        THEN_MS + 50,
        [Interaction(THEN_MS + n, n * n, 1 + n % 8, n, 7 * n) for n in range(50)],
        seen=[Mark(THEN_MS + n, 11 * n, 1) for n in range(60)],
    ),
}
"""What each of them says."""


@pytest.fixture
def newer_release() -> Iterator[None]:
    """One that reads formats 1 and 2."""
    with patch.dict(FORMATS, {FORMAT_2: SECOND}):  # type: ignore[arg-type]
        yield


@pytest.mark.parametrize("name", WRITTEN)
def test_what_format_1_wrote_is_read_and_written_as_it_was(name: str) -> None:
    data = bytes.fromhex(WRITTEN[name])
    assert UserState.decode(data) == STATES[name]
    assert STATES[name].encode(1) == data


@pytest.mark.usefixtures("newer_release")
@pytest.mark.parametrize("name", WRITTEN)
def test_a_newer_release_reads_both_writes_either_and_hashes_alike(name: str) -> None:
    old = bytes.fromhex(WRITTEN[name])
    state = UserState.decode(old)
    new = state.encode(FORMAT_2)
    assert new[0] == FORMAT_2
    assert UserState.decode(new) == state
    assert UserState.decode(new).encode(1) == old, "there is a way back"
    assert UserState.decode(new).encode() == state.encode(), "made_from does not change"


def test_a_release_refuses_a_format_it_does_not_know() -> None:
    for data in (SECOND.encode(STATES["one of each"]), b"\0", b""):
        with pytest.raises(UnknownFormatError, match=r"format \d+ is not known.* reads \[1\]"):
            UserState.decode(data)
    with pytest.raises(KeyError):
        EMPTY.encode(FORMAT_2)


def test_a_release_refuses_bounds_it_does_not_know() -> None:
    data = bytearray(bytes.fromhex(WRITTEN["one of each"]))
    data[1] = BOUNDS_VERSION + 1
    with pytest.raises(UnknownFormatError, match="bounds 2 are not known; this release reads 1"):
        UserState.decode(bytes(data))


def test_every_format_is_kept_as_bytes() -> None:
    assert WRITTEN.keys() == STATES.keys()
    assert set(FORMATS) == {1}, "commit bytes of a new format here, too"
    assert state_module.FORMAT == 1
