"""The recommendations of one partition, in the order in which they were committed."""

from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from schemas.identifiers import recommendation_id
from schemas.recommendations import AnswerHeaders
from schemas.topics import RECOMMENDATIONS
from tests.drills.check.findings import Findings
from tests.drills.check.logs import Logs

Order = tuple[int, str]
"""(append time, event id) of an ask."""


class _Cause(msgspec.Struct):
    event_id: str
    appended_at_ms: int


class _MadeFrom(msgspec.Struct):
    state: str


class _Value(msgspec.Struct):
    recommendation_id: str
    user_id: str
    surface: str
    cause: _Cause
    made_from: _MadeFrom
    origin: str
    epoch: int


class Answer(NamedTuple):
    identity: str
    epoch: int
    user_id: str
    surface: str
    cause: Order
    state: str
    """The digest of the state that it was made from."""
    origin: str
    offset: int


_decoder = msgspec.json.Decoder(_Value)


def read(
    logs: Logs, partition: int, findings: Findings, topic: str = RECOMMENDATIONS.name
) -> Iterator[Answer]:
    """Finds those whose headers, key and identity do not fit their value. `topic` may be a copy."""
    for message in logs.records(topic, partition):
        value = _decoder.decode(message.value())
        cause = value.cause.appended_at_ms, value.cause.event_id
        headers = AnswerHeaders.decode(message.headers())
        told = (
            message.key(),
            headers.origin,
            headers.epoch,
            (headers.cause.appended_at_ms, headers.cause.event_id),
            headers.cause.surface,
            value.recommendation_id,
        )
        if told != (
            value.user_id.encode(),
            value.origin,
            value.epoch,
            cause,
            value.surface,
            recommendation_id(value.user_id, value.cause.event_id, value.surface),
        ):
            findings.add("answers that contradict themselves", f"offset {message.offset()}: {told}")
        yield Answer(
            value.recommendation_id,
            value.epoch,
            value.user_id,
            value.surface,
            cause,
            value.made_from.state,
            value.origin,
            message.offset(),
        )
