"""Messages between releases: what a newer writer adds does not stop an older reader, and where
an older reader must not guess it says so.
"""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.codec import (
    MAX_DEPTH,
    MESSAGES,
    VERSIONS,
    EventDecoder,
    MessageDecoder,
    Reason,
    RefusedError,
    encode,
    schema_header,
)
from schemas.recommendations import Recommendation
from tests.schemas.strategies import of, with_unknown

QUICK = settings(max_examples=40, deadline=None, database=None)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(codec="utf-8"), max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.just("x"), inner),
    max_leaves=6,
)


@pytest.mark.parametrize("name", MESSAGES)
def test_a_message_comes_back_as_it_was(name: str) -> None:
    decoder = MessageDecoder[Any](name)

    @QUICK
    @given(of(MESSAGES[name]))
    def come_back(message: msgspec.Struct) -> None:
        assert decoder.decode(encode(message), schema_header(name)[1]) == message
        assert encode(decoder.decode(encode(message))) == encode(message)

    come_back()
    assert decoder.unknown_fields == 0


@pytest.mark.parametrize("name", MESSAGES)
def test_an_added_field_is_ignored_and_counted(name: str) -> None:
    decoder = MessageDecoder[Any](name)

    @QUICK
    @given(of(MESSAGES[name]), JSON_VALUES)
    def ignored(message: msgspec.Struct, value: Any) -> None:
        before = decoder.unknown_fields
        assert decoder.decode(with_unknown(message, value)) == message
        assert decoder.unknown_fields == before + 1

    ignored()


@pytest.mark.parametrize("name", MESSAGES)
def test_a_message_of_today_has_its_version_in_the_header(name: str) -> None:
    assert schema_header(name) == ("schema", f"{name}/1".encode())


@pytest.mark.parametrize("name", MESSAGES)
@pytest.mark.parametrize("ahead", [1, 99])
def test_a_raised_version_is_refused(name: str, ahead: int) -> None:
    """Before the value is looked at: nobody may guess what is in there."""
    schema = f"{name}/{VERSIONS[name] + ahead}".encode()
    with pytest.raises(RefusedError) as refused:
        MessageDecoder[Any](name).decode(b"anything", schema)
    assert refused.value.reason is Reason.NEWER_VERSION


@pytest.mark.parametrize(
    "schema",
    [
        b"",
        b"user-event",
        b"user-event/",
        b"user-event/one",
        b"user-event/0",
        b"user-event/-1",
        b"user-event/1.0",
        b"item-update/1",
        b"user-event/" + b"9" * 5000,
        "user-event/\u0661".encode(),
        b"user-event/1\xff",
    ],
)
def test_a_header_that_names_no_version_of_this_message_is_refused(schema: bytes) -> None:
    with pytest.raises(RefusedError) as refused:
        EventDecoder().decode(b"{}", schema)
    assert refused.value.reason is Reason.WRONG_SCHEMA


@QUICK
@given(of(MESSAGES["user-event"]), st.text(st.characters(codec="utf-8"), max_size=20))
def test_an_unknown_kind_is_refused_and_nothing_else(message: msgspec.Struct, kind: str) -> None:
    fields = msgspec.to_builtins(message) | {"kind": f"{kind}~"}
    with pytest.raises(RefusedError) as refused:
        EventDecoder().decode(msgspec.json.encode(fields))
    assert refused.value.reason is Reason.UNKNOWN_KIND


@QUICK
@given(of(Recommendation), st.text(st.characters(codec="utf-8")))
def test_a_reader_passes_on_words_that_it_does_not_know(message: Recommendation, word: str) -> None:
    fields = msgspec.to_builtins(message, str_keys=True)
    fields["fallback"] = fields["cause"]["kind"] = word
    read = MessageDecoder[Recommendation]("recommendation").decode(msgspec.json.encode(fields))
    assert (read.fallback, read.cause.kind) == (word, word)


@pytest.mark.parametrize("depth", [1, MAX_DEPTH - 1])
def test_an_unknown_field_may_nest(depth: int) -> None:
    value = b'{"attachments": ' + b"[" * depth + b"]" * depth + b"," + EVENT[1:]
    assert EventDecoder().decode(value).event_id == "e1"


@pytest.mark.parametrize("depth", [MAX_DEPTH, 500, 120_000])
@pytest.mark.parametrize("brackets", [(b"[", b"]"), (b'{"a":', b"}")])
def test_what_nests_too_deep_is_refused_at_the_same_depth_everywhere(
    depth: int, brackets: tuple[bytes, bytes]
) -> None:
    opened, closed = brackets
    nested = opened * depth + b"1" + closed * depth
    for value in (b'{"attachments": ' + nested + b"," + EVENT[1:], EVENT[:-1] + b',"x":' + nested):
        with pytest.raises(RefusedError) as refused:
            EventDecoder().decode(value)
        assert refused.value.reason is Reason.TOO_DEEP


def test_brackets_in_a_text_do_not_nest() -> None:
    text = "[{" * 100 + '"\\' + "[" * 100
    event = json.dumps(json.loads(EVENT) | {"session_id": text, "added_later": text})
    assert EventDecoder().decode(event.encode()).session_id == text


EVENT = b'{"event_id":"e1","user_id":"ann","kind":"request","at_ms":1767225600000}'
