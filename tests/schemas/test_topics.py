"""The table of topics, as other teams' producers and consumers rely on it."""

import pytest

from schemas.codec import MESSAGES
from schemas.topics import BY_NAME, DAY_MS, TOPICS, Topic, mirrored_name

TABLE = """
| user-events             | user_id                | user-event     | delete 7  | append | yes | by user |
| item-updates            | item_id                | item-update    | compact   | append | yes | 4       |
| item-vectors            | model/version/item_id  | -              | compact   | create | no  | 4       |
| recommendations         | user_id                | recommendation | delete 7  | create | yes | by user |
| user-events.dead-letter | the refused record's key | -            | delete 30 | create | no  | 4       |
| user-state.changelog    | type byte + user_id    | -              | compact   | create | no  | by user |
| user-state.joins        | user_id                | -              | delete 7  | create | no  | by user |
| state-digests           | region + partition     | state-digest   | delete 1  | create | yes | 1       |
| model-releases          | model name             | model-release  | compact   | create | yes | 1       |
| experiments             | experiment name        | experiment     | compact   | create | yes | 1       |
| region-ownership        | origin region          | ownership      | compact   | create | yes | 1       |
"""  # noqa: E501
ROWS = [[cell.strip() for cell in row.split("|")[1:-1]] for row in TABLE.strip().splitlines()]


def row_of(topic: Topic) -> list[str]:
    retention = "" if topic.retention_ms is None else f" {topic.retention_ms // DAY_MS}"
    one, other = topic.partitions.count(8), topic.partitions.count(9)
    return [
        topic.name,
        topic.key,
        topic.message or "-",
        f"{'compact' if topic.compacted else 'delete'}{retention}",
        "append" if topic.append_time else "create",
        "yes" if topic.mirrored else "no",
        "by user" if (one, other) == (8, 9) else str(one),
    ]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_a_topic_is_what_the_table_says(row: list[str]) -> None:
    assert row_of(BY_NAME[row[0]]) == row


def test_there_are_no_others() -> None:
    assert sorted(topic.name for topic in TOPICS) == sorted(row[0] for row in ROWS)
    assert {topic.message for topic in TOPICS if topic.message} == set(MESSAGES)


def test_the_settings_as_kafka_names_them() -> None:
    assert BY_NAME["user-events"].config() == {
        "cleanup.policy": "delete",
        "message.timestamp.type": "LogAppendTime",
        "max.message.bytes": "1048576",
        "retention.ms": "604800000",
    }
    assert BY_NAME["item-updates"].config() == {
        "cleanup.policy": "compact",
        "message.timestamp.type": "LogAppendTime",
        "max.message.bytes": "1048576",
    }


def test_a_mirrored_copy_keeps_the_times_of_its_source_and_has_room() -> None:
    copy = BY_NAME["user-events"].mirrored_config()
    assert copy["message.timestamp.type"] == "CreateTime"
    assert copy["max.message.bytes"] == "2097152"
    assert copy["retention.ms"] == "604800000"
    assert mirrored_name("east", BY_NAME["user-events"]) == "east.user-events"
