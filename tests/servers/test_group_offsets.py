"""The group offsets of `recommend` follow what is done, for lag tools; no worker reads them."""

import urllib.request
from collections.abc import Callable

import pytest
from confluent_kafka import ConsumerGroupState, ConsumerGroupTopicPartitions, TopicPartition
from confluent_kafka.admin import AdminClient
from prometheus_client.parser import text_string_to_metric_families

from infra.local import ports
from schemas.topics import USER_EVENTS
from streams.topology import RECOMMEND
from tests.servers.conftest import PARTITIONS, RunningKafka
from tests.servers.states import USERS, answers, check_slates, folded, processed, send, stock
from tests.servers.workers import Log, Worker, own, until

GROUP = RECOMMEND.group


class Tool:
    """What a lag tool sees, and an operator may do."""

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self._admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 2})

    def ends(self) -> dict[int, int]:
        log = Log(self._bootstrap, USER_EVENTS.name)
        found = {record.partition(): record.offset() + 1 for record in log.read()}
        log.close()
        return found

    def committed(self) -> dict[int, int]:
        asked = self._admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(GROUP)])
        parts = asked[GROUP].result().topic_partitions
        assert {part.topic for part in parts} <= {USER_EVENTS.name}
        return {part.partition: part.offset for part in parts}

    def is_left(self) -> bool:
        """Whether the group has no member any more, so that its offsets may be changed."""
        found = self._admin.describe_consumer_groups([GROUP])[GROUP].result()
        return bool(found.state == ConsumerGroupState.EMPTY)

    def put(self, offsets: dict[int, int]) -> None:
        parts = [TopicPartition(USER_EVENTS.name, number, at) for number, at in offsets.items()]
        asked = [ConsumerGroupTopicPartitions(GROUP, parts)]
        for part in (
            self._admin.alter_consumer_group_offsets(asked)[GROUP].result().topic_partitions
        ):
            assert part.error is None

    def delete(self) -> None:
        self._admin.delete_consumer_groups([GROUP])[GROUP].result()


def events_read(port: int) -> float:
    """So many events a worker has processed since it started."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        families = text_string_to_metric_families(answer.read().decode())
    return sum(
        sample.value
        for family in families
        for sample in family.samples
        if sample.name == "tidemill_events_total" and sample.labels["topic"] == USER_EVENTS.name
    )


@pytest.mark.parametrize("done", ["put to the start", "put to the end", "deleted"])
def test_a_worker_goes_on_at_its_own_position_whatever_the_group_offsets_say(
    done: str, fresh_kafka: RunningKafka, start_worker: Callable[..., Worker]
) -> None:
    bootstrap = fresh_kafka.bootstrap
    own(bootstrap)
    stock(bootstrap)
    tool = Tool(bootstrap)
    worker = start_worker()
    for seed in (1, 2):
        send(bootstrap, 400, seed=seed)
        processed(bootstrap)
        until("the group offsets are at the ends", lambda: tool.committed() == tool.ends())
    worker.stop()
    until("the group has no member", tool.is_left)
    send(bootstrap, 100, seed=3)
    if done == "deleted":
        tool.delete()
    else:
        ends = tool.ends()
        tool.put(ends if done == "put to the end" else dict.fromkeys(ends, 0))
    port = ports.free_port(frozenset())
    start_worker(metrics_port=port)
    check_slates(bootstrap, folded(bootstrap), "back")
    processed(bootstrap)
    until(
        "what was sent since is processed, and nothing else",
        lambda: events_read(port) == 100 + len(USERS),
    )
    assert len(tool.ends()) == PARTITIONS
    until("the group offsets are at the ends", lambda: tool.committed() == tool.ends())
    assert len(answers(bootstrap)) > len(USERS), "none of them twice"
