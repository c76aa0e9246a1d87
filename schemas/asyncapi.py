"""Every topic as an AsyncAPI 3.0 document, for people who produce to Tidemill or consume from it.

Says what `schemas.topics` and the messages say and nothing of its own, but for the headers and
the binary values, which are described here. Called by `schemas.publish`.
"""

from typing import Any

from schemas.codec import SCHEMA_HEADER, VERSIONS
from schemas.items import ItemVector
from schemas.topics import (
    BY_NAME,
    DEAD_LETTERS,
    ITEM_VECTORS,
    RECOMMENDATIONS,
    STATE_CHANGELOG,
    STATE_JOINS,
    TOPICS,
    USER_EVENTS,
    Partitions,
    Topic,
)

JSON_SCHEMA_FORMAT = "application/schema+json;version=draft-2020-12"
_KAFKA_BINDING = "0.5.0"
_PARTITIONS_BY_DEFAULT = 8

_BINARY = {
    ITEM_VECTORS: " ".join((ItemVector.__doc__ or "").split()),
    DEAD_LETTERS: "The refused record's own bytes; of a value past 256 KiB the first 64 KiB.",
    STATE_CHANGELOG: (
        "By the key's type byte: a user's state (U; the layout is in schemas/state.py), the"
        " position up to which the input is folded and answered (P, JSON), or the marker up to"
        " which every effect of the input is in here (M, JSON)."
    ),
    STATE_JOINS: "A user's state; the layout is in schemas/state.py.",
}
_HEADERS = {
    USER_EVENTS: {
        "producer": "Optional: what the producer calls itself, for the warning about misplaced"
        " records.",
        "forwarded-from": "Only on a record that Tidemill put into its right partition:"
        " topic-partition@offset where it was found.",
    },
    RECOMMENDATIONS: {
        "origin": "The region in whose topic the cause was produced.",
        "epoch": "Decimal: the epoch at which the origin was owned.",
        "cause": "JSON {appended_at_ms, event_id, surface} of the newest ask that is answered.",
        "answered_before": "Decimal ms: before this append time every ask of this origin and"
        " partition had an answer when the transaction began.",
    },
    DEAD_LETTERS: {
        "dead-letter-reason": "Why it was refused: a value of schemas.codec.Reason.",
        "dead-letter-detail": "The same in words.",
        "dead-letter-topic": "Where it was: the topic,",
        "dead-letter-partition": "the partition (decimal),",
        "dead-letter-offset": "the offset (decimal),",
        "dead-letter-appended-at-ms": "and the append time (decimal ms).",
        "dead-letter-bytes": "Only where the value was cut: its whole size (decimal),",
        "dead-letter-xxh3-128": "and the hash of the whole (hex).",
    },
}


def headers(topic: Topic) -> dict[str, str]:
    """The headers of a topic's records and what each says."""
    own = dict(_HEADERS.get(topic, {}))
    if topic.message is not None:
        own[SCHEMA_HEADER] = (
            f"Message and version, as {topic.message}/{VERSIONS[topic.message]}; absent means"
            " version 1."
        )
    return own


def document() -> dict[str, Any]:
    """The whole AsyncAPI document."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Tidemill",
            "version": "1",
            "description": "Produce what people do, consume what to show them. Consumers must"
            " ignore unknown fields, kinds and enum values.",
        },
        "defaultContentType": "application/json",
        "channels": {name: _channel(topic) for name, topic in BY_NAME.items()},
        "operations": {_operation_name(topic): _operation(topic) for topic in TOPICS},
        "components": {"messages": {name: _message(topic) for name, topic in BY_NAME.items()}},
    }


def _channel(topic: Topic) -> dict[str, Any]:
    config = topic.config()
    by_user = topic.partitions is Partitions.BY_USER
    partitions = topic.partitions.count(_PARTITIONS_BY_DEFAULT)
    return {
        "address": topic.name,
        "description": f"Key: {topic.key}. Written by: {topic.owner}."
        + (" Mirrored to the other region." if topic.mirrored else "")
        + (" The partitions are a setting, TIDEMILL_PARTITIONS." if by_user else ""),
        "messages": {topic.name: {"$ref": f"#/components/messages/{topic.name}"}},
        "bindings": {
            "kafka": {
                "topic": topic.name,
                "partitions": partitions,
                "topicConfiguration": {
                    name: _configured(name, value) for name, value in config.items()
                },
                "bindingVersion": _KAFKA_BINDING,
            }
        },
    }


def _configured(name: str, value: str) -> Any:
    if name == "cleanup.policy":
        return [value]
    return int(value) if value.isdecimal() else value


def _operation_name(topic: Topic) -> str:
    return f"{_action(topic)}-{topic.name}"


def _action(topic: Topic) -> str:
    """What Tidemill itself does with it."""
    return "receive" if topic.owner == "producers" else "send"


def _operation(topic: Topic) -> dict[str, Any]:
    return {"action": _action(topic), "channel": {"$ref": f"#/channels/{topic.name}"}}


def _message(topic: Topic) -> dict[str, Any]:
    described = headers(topic)
    message: dict[str, Any] = {"name": topic.message or topic.name}
    if topic.message is None:
        message["contentType"] = "application/octet-stream"
        payload: dict[str, Any] = {
            "type": "string",
            "format": "binary",
            "description": _BINARY[topic],
        }
        message["payload"] = payload
    else:
        message["payload"] = {
            "schemaFormat": JSON_SCHEMA_FORMAT,
            "schema": {"$ref": f"./{topic.message}.schema.json"},
        }
    if described:
        message["headers"] = {
            "type": "object",
            "properties": {
                name: {"type": "string", "description": text} for name, text in described.items()
            },
        }
    key = {"type": "string", "description": topic.key}
    message["bindings"] = {"kafka": {"key": key, "bindingVersion": _KAFKA_BINDING}}
    return message
