"""The binary values and the headers: back as they were, or refused in words."""

import struct

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.items import ItemVector, vector_key
from schemas.recommendations import AnswerHeaders, CauseKey
from schemas.state import (
    BOUNDS_VERSION,
    EMPTY,
    FORMAT,
    HISTORY_LIMIT,
    MAP_LIMITS,
    MAPS,
    Interaction,
    Mark,
    UserState,
)
from tests.schemas.strategies import of

QUICK = settings(max_examples=80, deadline=None, database=None)
U8, U16, U48, U64 = (st.integers(0, 2**bits - 1) for bits in (8, 16, 48, 64))
INTERACTIONS = st.lists(st.builds(Interaction, U48, U64, U8, U16, U64), max_size=HISTORY_LIMIT)
MARKS = st.lists(st.builds(Mark, U48, U64, U8), max_size=20)


def state_of(
    erased_ms: int, newest_ms: int, history: list[Interaction], maps: list[list[Mark]]
) -> UserState:
    packed = tuple(b"".join(mark.pack() for mark in marks) for marks in maps)
    return UserState(erased_ms, newest_ms, b"".join(entry.pack() for entry in history), packed)


@QUICK
@given(U48, U48, INTERACTIONS, st.tuples(*[MARKS] * 5))
def test_a_user_state_comes_back_as_it_was(
    erased_ms: int, newest_ms: int, history: list[Interaction], maps: tuple[list[Mark], ...]
) -> None:
    state = state_of(erased_ms, newest_ms, history, list(maps))
    back = UserState.decode(state.encode())
    assert back == state
    assert list(back.interactions()) == history
    for name, marks in zip(MAPS, maps, strict=True):
        assert list(back.marks(name)) == marks
        assert back.flagged(name) == {mark.key for mark in marks if mark.flag}


@given(st.lists(st.builds(Interaction, U48, U64, U8, U16, U64), max_size=6))
@QUICK
def test_packed_entries_sort_as_their_numbers_do(entries: list[Interaction]) -> None:
    assert [entry.pack() for entry in sorted(entries)] == sorted(e.pack() for e in entries)


def full_state() -> UserState:
    history = [Interaction(n, n, 1, 0, n) for n in range(HISTORY_LIMIT)]
    return state_of(1, 2, history, [[Mark(n, n, 1) for n in range(most)] for most in MAP_LIMITS])


def test_the_layout_does_not_change_unnoticed() -> None:
    history, marks = [Interaction(3, 4, 5, 6, 7)], [[Mark(8, 9, 1)], [], [], [], []]
    assert state_of(1, 2, history, marks).encode().hex() == (
        "0101000000000001000000000002000100010000000000000000"
        "00000000000300000000000000040500060000000000000007"
        "000000000008000000000000000901"
    )  # fmt: skip
    assert EMPTY.encode().hex() == "0101" + "00" * 24


def test_a_full_state_stays_below_25_kb() -> None:
    assert len(full_state().encode()) <= 25_000


@pytest.mark.parametrize("version", [(FORMAT + 1, BOUNDS_VERSION), (FORMAT, BOUNDS_VERSION + 1)])
def test_a_state_of_another_format_or_bounds_is_refused(version: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match=r"(format|bounds) \d+ (is|are) not known; this"):
        UserState.decode(bytes(version) + full_state().encode()[2:])


def test_a_state_that_was_cut_anywhere_or_has_more_is_refused() -> None:
    data = state_of(1, 2, [Interaction(3, 4, 5, 6, 7)], [[Mark(8, 9, 1)], [], [], [], []]).encode()
    with pytest.raises(ValueError, match="user state format 0 is not known"):
        UserState.decode(b"")
    for size in range(1, len(data)):
        with pytest.raises(ValueError, match=f"user state of {size} bytes"):
            UserState.decode(data[:size])
    with pytest.raises(ValueError, match="does not hold"):
        UserState.decode(data + b"\0")


FLOATS = st.floats(width=32, allow_nan=False)


@QUICK
@given(U64, st.lists(FLOATS, max_size=400))
def test_an_item_vector_comes_back_as_it_was(text_hash: int, values: list[float]) -> None:
    vector = ItemVector(text_hash, tuple(values))
    assert ItemVector.decode(vector.encode()) == vector


def test_the_layout_of_a_vector_does_not_change_unnoticed() -> None:
    data = ItemVector(258, (1.0, -2.0)).encode()
    assert data == bytes.fromhex("0100020000000000000102") + struct.pack("<2f", 1, -2)


def test_a_vector_of_another_format_or_length_is_refused() -> None:
    data = ItemVector(258, (1.0, -2.0)).encode()
    with pytest.raises(ValueError, match="item vector format 02 is not known"):
        ItemVector.decode(b"\2" + data[1:])
    for size in range(len(data)):
        with pytest.raises(ValueError, match="item vector"):
            ItemVector.decode(data[:size])
    with pytest.raises(ValueError, match="does not hold 2 floats"):
        ItemVector.decode(data + b"\0")


def test_the_key_of_a_vector() -> None:
    assert vector_key("encoder", "3", "film/1") == "encoder/3/film/1"


@QUICK
@given(of(AnswerHeaders))
def test_the_headers_of_an_answer_come_back_as_they_were(headers: AnswerHeaders) -> None:
    assert AnswerHeaders.decode(headers.encode()) == headers


ANSWER = AnswerHeaders(
    origin="east",
    epoch=16,
    cause=CauseKey(appended_at_ms=1_767_225_600_000, event_id="e1", surface="main"),
    answered_before_ms=1_767_225_599_000,
)


def test_the_headers_are_what_other_clusters_read() -> None:
    assert ANSWER.encode() == [
        ("origin", b"east"),
        ("epoch", b"16"),
        ("cause", b'{"appended_at_ms":1767225600000,"event_id":"e1","surface":"main"}'),
        ("answered_before", b"1767225599000"),
    ]


def test_headers_of_others_do_not_matter() -> None:
    assert AnswerHeaders.decode([("traceparent", b"\xff"), *ANSWER.encode()]) == ANSWER


def test_a_field_that_a_later_release_adds_to_the_cause_is_ignored() -> None:
    cause = msgspec.json.encode(msgspec.to_builtins(ANSWER.cause) | {"added_later": 1})
    headers = [(name, cause if name == "cause" else old) for name, old in ANSWER.encode()]
    assert AnswerHeaders.decode(headers) == ANSWER


DEEP = b'{"x":' * 100_000


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((name, None) for name, _ in ANSWER.encode()),
        *((name, b"\xff") for name, _ in ANSWER.encode()),
        *((name, b"{}") for name in ("epoch", "cause", "answered_before")),
        *((name, DEEP) for name in ("epoch", "cause", "answered_before")),
    ],
)
def test_headers_that_do_not_parse_are_refused(name: str, value: bytes | None) -> None:
    others = [(other, old) for other, old in ANSWER.encode() if other != name]
    for headers in (others, [*others, (name, value)]):
        with pytest.raises(ValueError, match=r"headers of a recommendation|invalid literal|codec"):
            AnswerHeaders.decode(headers)
