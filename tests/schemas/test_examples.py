"""The examples are what they say they are: for the codec, and for the published JSON Schemas."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from schemas.codec import MESSAGES, EventDecoder, MessageDecoder, Reason, RefusedError
from schemas.events import KINDS

EXAMPLES = Path(__file__).parents[2] / "schemas" / "examples"
PUBLISHED = EXAMPLES.parent / "published"
APPENDED_MS = 1_767_225_660_000
"""When the examples reached the broker: a minute into 2026."""
VALID = sorted(EXAMPLES.glob("*/*.valid.json"))
REFUSED = sorted(EXAMPLES.glob("*/*.refused.json"))
NOT_SHOWN = {
    Reason.NULL_VALUE,  # no bytes
    Reason.TOO_LARGE,  # 256 KiB of them
    Reason.WRONG_SCHEMA,  # a header says these two
    Reason.NEWER_VERSION,
}
UNKNOWN_TO_SCHEMA = {Reason.TIME_AHEAD, Reason.TIME_NEGATIVE, Reason.TIME_IN_SECONDS}


def decode(path: Path) -> Any:
    if path.parent.name == "user-event":
        return EventDecoder().decode_event(path.read_bytes(), None, APPENDED_MS)
    return MessageDecoder[Any](path.parent.name).decode(path.read_bytes())


def reason_of(path: Path) -> Reason:
    return Reason(path.name.split(".")[-3])


def name(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"


def schema_of(path: Path) -> jsonschema.Draft202012Validator:
    schema = json.loads((PUBLISHED / f"{path.parent.name}.schema.json").read_text())
    return jsonschema.Draft202012Validator(schema)


@pytest.mark.parametrize("path", VALID, ids=name)
def test_a_valid_example_decodes(path: Path) -> None:
    assert decode(path)
    schema_of(path).validate(json.loads(path.read_bytes()))


@pytest.mark.parametrize("path", VALID, ids=name)
def test_a_valid_example_holds_no_unknown_field(path: Path) -> None:
    decoder = MessageDecoder[Any](path.parent.name)
    decoder.decode(path.read_bytes())
    assert decoder.unknown_fields == 0


@pytest.mark.parametrize("path", REFUSED, ids=name)
def test_a_refused_example_is_refused_for_the_reason_in_its_name(path: Path) -> None:
    with pytest.raises(RefusedError) as refused:
        decode(path)
    assert refused.value.reason is reason_of(path)
    assert refused.value.detail


@pytest.mark.parametrize(
    "path",
    [
        path
        for path in REFUSED
        if reason_of(path)
        in {Reason.MISSING_FIELD, Reason.WRONG_TYPE, Reason.OUT_OF_BOUNDS, Reason.UNKNOWN_KIND}
    ],
    ids=name,
)
def test_the_published_schema_refuses_it_too(path: Path) -> None:
    assert not schema_of(path).is_valid(json.loads(path.read_bytes()))


@pytest.mark.parametrize("message", MESSAGES)
def test_every_message_has_a_valid_and_a_refused_example(message: str) -> None:
    assert message in {path.parent.name for path in VALID}
    assert message in {path.parent.name for path in REFUSED}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_event_has_a_valid_and_a_refused_example(kind: str) -> None:
    for paths in (VALID, REFUSED):
        assert any(path.name.startswith(f"{kind}.") for path in paths)
    (valid,) = (path for path in VALID if name(path) == f"user-event/{kind}.valid.json")
    assert decode(valid).kind == kind


def test_every_reason_that_bytes_can_show_has_an_example() -> None:
    assert {reason_of(path) for path in REFUSED} == set(Reason) - NOT_SHOWN
