"""What MirrorMaker is told: the settings without which two regions lose or repeat something."""

import pytest

from infra.local import mirror
from infra.local.mirror import Mirror
from schemas.topics import TOPICS, mirrored_name

WEST = Mirror("west", "127.0.0.1:2", {"east": "127.0.0.1:1", "south": "127.0.0.1:3"}, 4)


@pytest.fixture
def told() -> dict[str, str]:
    lines = mirror.properties_text(WEST).splitlines()
    found = dict(line.split("=", 1) for line in lines)
    assert len(found) == len(lines), "a setting is there twice"
    return found


def test_it_reads_from_each_peer_and_writes_into_its_own_region_only(told: dict[str, str]) -> None:
    assert told["clusters"] == "west, east, south"
    flows = {
        name: value for name, value in told.items() if name.endswith(".enabled") and ">" in name
    }
    assert flows == {"east->west.enabled": "true", "south->west.enabled": "true"}
    assert [told[f"{name}.bootstrap.servers"][-1] for name in ("east", "west", "south")] == [
        "1", "2", "3",
    ]  # fmt: skip


def test_the_topics_are_the_declared_ones_by_name(told: dict[str, str]) -> None:
    names = {topic.name for topic in TOPICS if topic.mirrored}
    assert names > {"user-events", "recommendations", "region-ownership", "state-digests"}
    for peer in WEST.peers:
        listed = told[f"{peer}->west.topics"].split(", ")
        assert set(listed) == names
        assert len(listed) == len(names)
    # They are regular expressions to MirrorMaker: none may match anything but itself.
    assert all(name.replace("-", "").isalpha() for name in names)


def test_a_copy_has_the_name_that_the_workers_read(told: dict[str, str]) -> None:
    """The default policy and its separator; the identity policy cannot see a loop."""
    assert told["replication.policy.class"].endswith(".DefaultReplicationPolicy")
    assert "replication.policy.separator" not in told
    assert mirrored_name("east", TOPICS[0]) == "east.user-events"


@pytest.mark.parametrize("cluster", ["east", "west", "south"])
def test_nothing_that_was_aborted_is_read(told: dict[str, str], cluster: str) -> None:
    assert told[f"{cluster}.consumer.isolation.level"] == "read_committed"
    assert told[f"{cluster}.plugin.discovery"] == told["plugin.discovery"] == "service_load"


def test_it_mirrors_exactly_once_and_a_killed_one_is_not_waited_for(told: dict[str, str]) -> None:
    assert told["west.exactly.once.source.support"] == "enabled"
    assert told["dedicated.mode.enable.internal.rest"] == "true"
    assert told["listeners"] == "http://127.0.0.1:4"
    assert int(told["west.producer.transaction.timeout.ms"]) <= 10_000


def test_the_configuration_of_topics_is_left_alone(told: dict[str, str]) -> None:
    assert told["sync.topic.configs.enabled"] == "false"


def test_nothing_of_its_own_is_kept_where_it_dies_with_a_peer(told: dict[str, str]) -> None:
    assert told["offset-syncs.topic.location"] == "target"
    assert told["emit.heartbeats.enabled"] == "true"


def test_a_record_that_its_client_compressed_fits(told: dict[str, str]) -> None:
    largest = str(64 * 1024 * 1024)
    assert told["west.producer.max.request.size"] == largest
    assert told["west.producer.buffer.memory"] == largest
    assert told["west.producer.compression.type"] == "zstd"
