"""What is published is what the types say."""

import json
from pathlib import Path

from schemas.asyncapi import document, headers
from schemas.codec import MESSAGES
from schemas.publish import PUBLISHED, published, write
from schemas.recommendations import AnswerHeaders, CauseKey
from schemas.topics import DEAD_LETTERS, RECOMMENDATIONS, TOPICS, USER_EVENTS
from streams.lane import dead_letters, forwarding


def test_the_published_files_are_not_stale() -> None:
    """When this fails: python -m schemas.publish."""
    there = {path.name: path.read_text(encoding="utf-8") for path in PUBLISHED.iterdir()}
    assert there == published()


def test_writing_leaves_these_files_and_no_others(tmp_path: Path) -> None:
    (tmp_path / "left-over.schema.json").write_text("{}")
    write(tmp_path)
    assert {path.name: path.read_text(encoding="utf-8") for path in tmp_path.iterdir()} == (
        published()
    )


def test_every_message_has_a_json_schema() -> None:
    for name in MESSAGES:
        assert json.loads(published()[f"{name}.schema.json"])["title"] == f"{name}/1"


def test_the_document_has_every_topic_with_its_message() -> None:
    api = document()
    assert set(api["channels"]) == {topic.name for topic in TOPICS}
    for topic in TOPICS:
        channel = api["channels"][topic.name]
        (reference,) = channel["messages"].values()
        message = api["components"]["messages"][reference["$ref"].rpartition("/")[2]]
        if topic.message is None:
            assert message["contentType"] == "application/octet-stream"
        else:
            file = message["payload"]["schema"]["$ref"].removeprefix("./")
            assert file in published()
        assert message["bindings"]["kafka"]["key"]["description"] == topic.key


def test_the_headers_are_those_that_are_written() -> None:
    cause = CauseKey(appended_at_ms=1, event_id="e", surface="main")
    answer = AnswerHeaders(origin="east", epoch=16, cause=cause, answered_before_ms=1)
    written = {name for name, _ in answer.encode()}
    assert set(headers(RECOMMENDATIONS)) == written | {"schema"}
    assert set(headers(DEAD_LETTERS)) == {
        value
        for value in vars(dead_letters).values()
        if isinstance(value, str) and value.startswith(dead_letters.PREFIX) and value[-1] != "-"
    }
    assert set(headers(USER_EVENTS)) == {forwarding.FORWARDED_FROM, forwarding.PRODUCER, "schema"}
