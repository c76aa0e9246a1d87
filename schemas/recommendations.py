"""What to show: the message of `recommendations` and the headers that travel with it.

The headers hold all that *valid* and *due* need, so neither parses a value. Its enums are open: a
reader takes a value that it does not know for what it is, some word, and goes on.
"""

from typing import Annotated, Literal, get_args

import msgspec

from schemas.events import KINDS
from schemas.identifiers import EventId, ItemId, Surface, UserId

Fallback = Literal["deadline", "unavailable", "cold_user"]
"""Why a slate is not the model's; what this release writes."""


def _open(*known: str) -> msgspec.Meta:
    """Of a field that may hold words not known yet."""
    return msgspec.Meta(
        description=f"One of {', '.join(known)}, or a word that a later release added.",
        extra_json_schema={"examples": list(known)},
    )


AnyFallback = Annotated[str, _open(*get_args(Fallback))]
AnyKind = Annotated[str, _open(*KINDS)]


class Cause(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The event that asked. `appended_at_ms` is the broker's time, the same in every region."""

    event_id: EventId
    kind: AnyKind
    at_ms: int
    appended_at_ms: int


class SlateItem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One place of a slate. `propensity` is the probability with which this item stood here."""

    item_id: ItemId
    score: float
    position: int
    source: str
    propensity: float
    because: ItemId | None = None


class ModelVersion(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    name: str
    version: str


class Arm(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The arm of an experiment that this user is in."""

    experiment: str
    revision: int
    name: str


class MadeFrom(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Digests (16 hex digits) of what a slate was made from; equal digests must give equal slates.

    `catalogue` and `vectors` do not depend on the order in which records arrived, and none is
    taken of a float.
    """

    state: str
    catalogue: str
    vectors: str
    fold: str


class ReadFrom(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Where the cause was read, for debugging only: offsets differ between clusters."""

    cluster: str
    topic: str
    partition: int
    offset: int


class Recommendation(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A slate for one user on one surface, answering every ask up to its cause."""

    recommendation_id: str
    user_id: UserId
    surface: Surface
    issued_at_ms: int
    cause: Cause
    items: list[SlateItem]
    model: ModelVersion | None
    arms: list[Arm]
    fallback: AnyFallback | None
    made_from: MadeFrom
    region: str
    origin: str
    epoch: int
    read_from: ReadFrom


class CauseKey(msgspec.Struct, frozen=True, order=True, gc=False):
    """Asks of one origin and partition are ordered by this, in every cluster alike."""

    appended_at_ms: int
    event_id: EventId
    surface: Surface


class AnswerHeaders(msgspec.Struct, frozen=True, kw_only=True):
    """The headers of a recommendation.

    `answered_before_ms` is the append time before which every ask of its origin and partition
    had an answer when its transaction began.
    """

    origin: str
    epoch: int
    cause: CauseKey
    answered_before_ms: int

    def encode(self) -> list[tuple[str, bytes]]:
        return HeaderWriter(self.origin, self.epoch, self.answered_before_ms).headers(self.cause)

    @classmethod
    def decode(cls, headers: list[tuple[str, bytes]]) -> "AnswerHeaders":
        """Raises ValueError if one is missing or does not parse."""
        found = dict(headers)
        try:
            return cls(
                origin=found["origin"].decode(),
                epoch=int(found["epoch"]),
                cause=msgspec.json.decode(found["cause"], type=CauseKey),
                answered_before_ms=int(found["answered_before"]),
            )
        except (
            LookupError,
            AttributeError,
            TypeError,
            RecursionError,
            msgspec.MsgspecError,
        ) as error:
            raise ValueError(f"not the headers of a recommendation: {error}") from error


class HeaderWriter:
    """The headers of the recommendations of one transaction and origin: they share all but the
    cause.
    """

    def __init__(self, origin: str, epoch: int, answered_before_ms: int) -> None:
        self._origin = "origin", origin.encode()
        self._epoch = "epoch", str(epoch).encode()
        self._answered_before = "answered_before", str(answered_before_ms).encode()

    def headers(self, cause: CauseKey) -> list[tuple[str, bytes]]:
        return [
            self._origin,
            self._epoch,
            ("cause", msgspec.json.encode(cause)),
            self._answered_before,
        ]
