"""What the codec refuses that no example can show, and that it refuses in words."""

from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from schemas.codec import (
    EARLIEST_MS,
    LATEST_MS,
    MESSAGES,
    EventDecoder,
    MessageDecoder,
    Reason,
    RefusedError,
    encode,
)
from schemas.topics import DAY_MS, MAX_EVENT_BYTES

AT_MS = 1_767_225_600_000


def event(at_ms: object = AT_MS, **fields: str) -> bytes:
    extra = "".join(f',"{name}":{value}' for name, value in fields.items())
    return f'{{"event_id":"e","user_id":"ann","kind":"request","at_ms":{at_ms}{extra}}}'.encode()


def refusal(value: bytes | None, appended_at_ms: int = AT_MS) -> Reason:
    with pytest.raises(RefusedError) as refused:
        EventDecoder().decode_event(value, None, appended_at_ms)
    assert str(refused.value) == f"{refused.value.reason}: {refused.value.detail}"
    return refused.value.reason


@pytest.mark.parametrize("name", MESSAGES)
def test_a_null_value_is_refused(name: str) -> None:
    with pytest.raises(RefusedError) as refused:
        MessageDecoder[Any](name).decode(None)
    assert refused.value.reason is Reason.NULL_VALUE


def test_a_value_may_be_as_large_as_the_limit_and_no_larger() -> None:
    room = MAX_EVENT_BYTES - len(event(session_id='""'))
    largest = event(session_id=f'"{"x" * room}"')
    assert len(largest) == MAX_EVENT_BYTES
    assert EventDecoder().decode_event(largest, None, AT_MS)
    assert refusal(largest + b" ") is Reason.TOO_LARGE


@pytest.mark.parametrize(
    ("at_ms", "reason"),
    [
        (-1, Reason.TIME_NEGATIVE),
        (-(10**30), Reason.TIME_NEGATIVE),
        (0, Reason.TIME_IN_SECONDS),
        (EARLIEST_MS - 1, Reason.TIME_IN_SECONDS),
        (AT_MS + DAY_MS + 1, Reason.TIME_AHEAD),
        (AT_MS * 1000, Reason.TIME_AHEAD),
        (10**30, Reason.TIME_AHEAD),
        ("1.767e12", Reason.WRONG_TYPE),
        ('"1767225600000"', Reason.WRONG_TYPE),
        ("null", Reason.WRONG_TYPE),
    ],
)
def test_a_time_that_cannot_be_is_refused(at_ms: object, reason: Reason) -> None:
    assert refusal(event(at_ms)) is reason


@pytest.mark.parametrize("at_ms", [EARLIEST_MS, AT_MS - 400 * DAY_MS, AT_MS, AT_MS + DAY_MS])
def test_a_time_that_can_be_is_taken(at_ms: int) -> None:
    assert EventDecoder().decode_event(event(at_ms), None, AT_MS).at_ms == at_ms


@pytest.mark.parametrize("appended_at_ms", [LATEST_MS, 2**63 - 1])
def test_an_append_time_that_no_state_can_hold_is_refused(appended_at_ms: int) -> None:
    assert refusal(event(), appended_at_ms) is Reason.OUT_OF_BOUNDS


def test_a_record_without_an_append_time_is_refused() -> None:
    assert refusal(event(), -1) is Reason.TIME_AHEAD


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"", Reason.NOT_JSON),
        (b"null", Reason.WRONG_TYPE),
        (b"[]", Reason.WRONG_TYPE),
        (b"17", Reason.WRONG_TYPE),
        (event() + b" x", Reason.NOT_JSON),
        (b"\xef\xbb\xbf" + event(), Reason.NOT_JSON),
        (event().decode().encode("utf-16"), Reason.NOT_UTF8),
        (event(session_id='"\\ud800"'), Reason.NOT_JSON),
        (event(session_id='"\\udc00"'), Reason.NOT_JSON),
        (event(session_id="NaN"), Reason.NOT_JSON),
        (event(limit="1" + "0" * 400), Reason.OUT_OF_BOUNDS),
        (event(added_later='"\xff"').replace(b"\xc3\xbf", b"\xff"), Reason.NOT_UTF8),
        (event(kind='"view"'), Reason.UNKNOWN_KIND),
        (event().replace(b'"request"', b"3"), Reason.WRONG_TYPE),
        (event(context='{"locale":3}'), Reason.WRONG_TYPE),
    ],
    ids=repr,
)
def test_what_is_no_event_is_refused_with_its_reason(value: bytes, reason: Reason) -> None:
    assert refusal(value) is reason


@settings(max_examples=300, deadline=None, database=None)
@given(st.binary(max_size=200), st.integers(0, 100), st.integers(0, 40))
@example(b'\\"' * 100_000, 50, 0)
def test_no_bytes_raise_anything_else(noise: bytes, at: int, cut: int) -> None:
    """And what is taken can be written: no text that UTF-8 has no bytes for."""
    value = event(session_id='"some words"', added_later="[1]")
    value = value[:at] + noise + value[at + cut :]
    try:
        taken = EventDecoder().decode_event(value, None, AT_MS)
    except RefusedError:
        return
    assert EventDecoder().decode(encode(taken)) == taken
