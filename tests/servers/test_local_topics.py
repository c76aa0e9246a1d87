"""Topics on a real broker are as `schemas.topics` declares them, and stay so."""

import threading

import pytest
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
)

from infra import topics
from infra.topics import Difference, TopicsError
from schemas.topics import TOPICS
from tests.servers.conftest import PARTITIONS, REGION, RunningKafka


def test_declared_topics_are_created_once_and_match(fresh_kafka: RunningKafka) -> None:
    assert topics.check(fresh_kafka.bootstrap, PARTITIONS, REGION) == []
    assert topics.create(fresh_kafka.bootstrap, PARTITIONS, REGION) == ()


def test_each_peer_adds_a_copy_of_each_mirrored_topic(fresh_kafka: RunningKafka) -> None:
    created = topics.create(fresh_kafka.bootstrap, PARTITIONS, REGION, ["west"])
    assert set(created) == {f"west.{topic.name}" for topic in TOPICS if topic.mirrored}
    assert topics.check(fresh_kafka.bootstrap, PARTITIONS, REGION, ["west"]) == []
    copy = next(t for t in topics.wanted(PARTITIONS, REGION, ["west"]) if t.name[:5] == "west.")
    assert copy.config["message.timestamp.type"] == "CreateTime"


def test_differences_are_told_and_configuration_is_mended(fresh_kafka: RunningKafka) -> None:
    admin = AdminClient({"bootstrap.servers": fresh_kafka.bootstrap})
    _done(admin.delete_topics(["experiments"]))
    _done(admin.create_partitions([NewPartitions("user-events", PARTITIONS + 1)]))
    entry = ConfigEntry("retention.ms", "1000", incremental_operation=AlterConfigOpType.SET)
    _done(
        admin.incremental_alter_configs(
            [
                ConfigResource(
                    ConfigResource.Type.TOPIC, "recommendations", incremental_configs=[entry]
                )
            ]
        )
    )
    week_ms = str(7 * 24 * 3600 * 1000)
    partitions = Difference("user-events", "partitions", str(PARTITIONS), str(PARTITIONS + 1))
    expected = {
        Difference("experiments", "the topic", "there", "missing"),
        partitions,
        Difference("recommendations", "retention.ms", week_ms, "1000"),
    }
    # A broker answers a change before its own list shows it.
    waiting = threading.Event()
    while set(topics.check(fresh_kafka.bootstrap, PARTITIONS, REGION)) != expected:
        waiting.wait(0.05)
    assert topics.create(fresh_kafka.bootstrap, PARTITIONS, REGION) == ("experiments",)
    while topics.check(fresh_kafka.bootstrap, PARTITIONS, REGION) != [partitions]:
        waiting.wait(0.05)
    assert str(partitions) == "user-events: partitions is 9, expected 8"


def test_recreate_forgets_records_groups_and_other_topics(kafka: RunningKafka) -> None:
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
    topics.recreate(kafka.bootstrap, PARTITIONS, REGION)
    _done(admin.create_topics([NewTopic("stray", 1)]))
    waiting = threading.Event()
    while "stray" not in admin.list_topics(timeout=30).topics:
        waiting.wait(0.05)
    topics.recreate(kafka.bootstrap, PARTITIONS, REGION)
    names = {name for name in admin.list_topics(timeout=30).topics if name[:2] != "__"}
    assert names == {topic.name for topic in TOPICS}


def test_a_region_is_not_its_own_peer() -> None:
    with pytest.raises(TopicsError, match="region east cannot be a peer of itself"):
        list(topics.wanted(PARTITIONS, "east", ["east"]))


def _done(futures) -> None:
    for future in futures.values():
        future.result()
