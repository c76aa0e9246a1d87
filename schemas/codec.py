"""Bytes to messages and back, with a reason for everything that is refused.

Nothing here reads a clock, a setting or a file: the same bytes and append time give the same
result in every region.
"""

import enum
import re
from typing import Any, Generic, TypeVar

import msgspec

from schemas.closed import ClosedDecoder
from schemas.control import Experiment, ModelRelease, Ownership, StateDigest
from schemas.events import EVENT_TYPES, AnyEvent
from schemas.items import ItemUpdate
from schemas.recommendations import Recommendation
from schemas.topics import DAY_MS, MAX_EVENT_BYTES

M = TypeVar("M", bound=msgspec.Struct)

SCHEMA_HEADER = "schema"
EARLIEST_MS = 10**11
"""Below this (March 1973) a time was surely sent in seconds."""
LATEST_MS = 10**14
"""From this on (year 5138) an append time is none; a state's 48 bits hold all that are before."""
MAX_DEPTH = 64
"""Brackets within brackets; no message needs more than 5. A decoder's own limit would depend on
the stack it is called from, and two regions could come to differ.
"""

MESSAGES: dict[str, Any] = {
    "user-event": AnyEvent,
    "item-update": ItemUpdate,
    "recommendation": Recommendation,
    "ownership": Ownership,
    "model-release": ModelRelease,
    "experiment": Experiment,
    "state-digest": StateDigest,
}
VERSIONS = dict.fromkeys(MESSAGES, 1)
"""The newest version of each message that this code may read."""


class Reason(enum.StrEnum):
    """Why a record is refused; a dead letter says it in its header `dead-letter-reason`."""

    NULL_VALUE = "null_value"
    TOO_LARGE = "too_large"
    NOT_UTF8 = "not_utf8"
    NOT_JSON = "not_json"
    TOO_DEEP = "too_deep"
    WRONG_SCHEMA = "wrong_schema"
    NEWER_VERSION = "newer_version"
    MISSING_FIELD = "missing_field"
    WRONG_TYPE = "wrong_type"
    OUT_OF_BOUNDS = "out_of_bounds"
    UNKNOWN_KIND = "unknown_kind"
    TIME_NEGATIVE = "time_negative"
    TIME_IN_SECONDS = "time_in_seconds"
    TIME_AHEAD = "time_ahead"


class RefusedError(Exception):
    """A record that cannot be used as it is. Trying again changes nothing until the code does."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


def encode(message: msgspec.Struct) -> bytes:
    """The JSON of a message, UTF-8."""
    return msgspec.json.encode(message)


def schema_header(message: str) -> tuple[str, bytes]:
    """The header that names a message and its version, as `user-event/1`."""
    return SCHEMA_HEADER, f"{message}/{VERSIONS[message]}".encode()


class MessageDecoder(Generic[M]):
    """Decodes one message of the contract, and counts those that held unknown fields."""

    def __init__(self, message: str) -> None:
        self.message = message
        self.unknown_fields = 0
        self._closed = ClosedDecoder[M](_kinds(message))
        self._tolerant: msgspec.json.Decoder[M] = msgspec.json.Decoder(MESSAGES[message])

    def decode(self, value: bytes | None, schema: bytes | None = None) -> M:
        """Raises RefusedError. `schema` is the record's `schema` header; absent is version 1."""
        if schema is not None:
            self._check_version(schema)
        if value is None:
            raise RefusedError(Reason.NULL_VALUE, "the value is null")
        try:
            return self._closed.decode(value)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            # Once more without minding unknown fields: rare, so the usual record pays nothing.
            message = self._decode_tolerantly(value)
        self.unknown_fields += 1
        return message

    def _decode_tolerantly(self, value: bytes) -> M:
        if _depth(value) > MAX_DEPTH:
            raise RefusedError(Reason.TOO_DEEP, f"nested more than {MAX_DEPTH} deep")
        try:
            value.decode()  # msgspec does not look at what it skips
            return self._tolerant.decode(value)
        except UnicodeDecodeError as error:
            raise RefusedError(Reason.NOT_UTF8, str(error)) from None
        except msgspec.ValidationError as error:
            raise RefusedError(_reason_of(str(error)), str(error)) from None
        except msgspec.DecodeError as error:
            raise RefusedError(Reason.NOT_JSON, str(error)) from None

    def _check_version(self, schema: bytes) -> None:
        name, _, version = schema.decode(errors="replace").partition("/")
        if name != self.message or not _VERSION.fullmatch(version):
            raise RefusedError(
                Reason.WRONG_SCHEMA, f"the schema header says {schema!r}, not {self.message}/N"
            )
        if int(version) > VERSIONS[self.message]:
            raise RefusedError(
                Reason.NEWER_VERSION,
                f"{name}/{version} is newer than {VERSIONS[self.message]}, which this worker knows",
            )


class EventDecoder(MessageDecoder[AnyEvent]):
    """Decodes user events, whose size and time have bounds too."""

    def __init__(self) -> None:
        super().__init__("user-event")
        self._decode_closed = self._closed.decode_closed

    def decode_event(
        self, value: bytes | None, schema: bytes | None, appended_at_ms: int
    ) -> AnyEvent:
        """`appended_at_ms` is the broker's time of the record. Raises RefusedError.

        The event's `kind` tells what it is: its type may be a subclass of the one declared.
        """
        if value is None:
            raise RefusedError(Reason.NULL_VALUE, "the value is null")
        if len(value) > MAX_EVENT_BYTES:
            raise RefusedError(
                Reason.TOO_LARGE, f"{len(value)} bytes are more than {MAX_EVENT_BYTES}"
            )
        if schema is None:
            try:  # the usual record: no header, no unknown field
                event = self._decode_closed(value)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                event = self.decode(value)
        else:
            event = self.decode(value, schema)
        if EARLIEST_MS <= event.at_ms <= appended_at_ms + DAY_MS and appended_at_ms < LATEST_MS:
            return event
        raise _refused_time(event.at_ms, appended_at_ms)


def _refused_time(at_ms: int, appended_at_ms: int) -> RefusedError:
    if at_ms < 0:
        return RefusedError(Reason.TIME_NEGATIVE, f"at_ms is {at_ms}")
    if at_ms < EARLIEST_MS:
        return RefusedError(
            Reason.TIME_IN_SECONDS, f"at_ms is {at_ms}; milliseconds since 1970 are wanted"
        )
    if appended_at_ms >= LATEST_MS:
        return RefusedError(Reason.OUT_OF_BOUNDS, f"the append time is {appended_at_ms}")
    ahead_ms = at_ms - appended_at_ms
    return RefusedError(Reason.TIME_AHEAD, f"at_ms is {ahead_ms} ms after the append time")


def _reason_of(detail: str) -> Reason:
    """Msgspec tells its errors apart only by their text."""
    if detail.endswith("`$.kind`") and detail.startswith("Invalid value"):
        return Reason.UNKNOWN_KIND
    if "missing required field" in detail:
        return Reason.MISSING_FIELD
    if _BOUND.search(detail):
        return Reason.OUT_OF_BOUNDS
    return Reason.WRONG_TYPE


_BOUND = re.compile(r" of length |matching regex|`(int|float)` [<>]|out of range")
_VERSION = re.compile(r"[1-9][0-9]{0,8}", re.ASCII)
_STRING = re.compile(rb'"(?:[^"\\]++|\\.?)*+"?', re.DOTALL)
_BRACKET = re.compile(rb"[\[\]{}]")


def _depth(value: bytes) -> int:
    """How deep a JSON text nests, as far as it is one."""
    if value.count(b"[") + value.count(b"{") <= MAX_DEPTH:
        return 0  # not worth a walk
    depth = deepest = 0
    for bracket in _BRACKET.findall(_STRING.sub(b"", value)):
        depth += 1 if bracket in b"[{" else -1
        deepest = max(deepest, depth)
    return deepest


def _kinds(message: str) -> tuple[type[msgspec.Struct], ...]:
    declared = MESSAGES[message]
    return EVENT_TYPES if declared is AnyEvent else (declared,)
