"""Readers are upgraded one after another: what an older worker refused, a newer one makes good."""

from collections.abc import Callable
from pathlib import Path

from schemas.topics import DEAD_LETTERS, ITEM_UPDATES, RECOMMENDATIONS, USER_EVENTS
from streams.lane.dead_letters import REASON
from tests.infra.command import document
from tests.servers.conftest import PARTITIONS, RunningKafka
from tests.servers.workers import Log, Worker, answered, event, item, own, produce

OLDER = ("tests/servers/older_worker.py",)


def test_a_kind_that_was_unknown_is_folded_after_the_upgrade(
    fresh_kafka: RunningKafka, start_worker: Callable[..., Worker], tmp_path: Path
) -> None:
    bootstrap = fresh_kafka.bootstrap
    own(bootstrap)
    for name in ("i1", "i2", "i3"):
        produce(bootstrap, ITEM_UPDATES.name, item(name), key=name)
    older = start_worker(program=OLDER)
    produce(bootstrap, USER_EVENTS.name, event("hidden", kind="hide", item_id="i2"), key="kim")
    letters = Log(bootstrap, DEAD_LETTERS.name)
    (letter,) = letters.wait_for(1)
    assert dict(letter.headers() or [])[REASON] == b"unknown_kind"
    letters.close()

    def shown(event_id: str) -> list[str]:
        request = event(event_id, kind="request", item_id=None)
        produce(bootstrap, USER_EVENTS.name, request, key="kim", partitioner="murmur2_random")
        return sorted(place.item_id for place in answered(answers, event_id).items)

    answers = Log(bootstrap, RECOMMENDATIONS.name)
    assert shown("before") == ["i1", "i2", "i3"]
    older.stop()
    start_worker()
    given = {"TIDEMILL_KAFKA": bootstrap, "TIDEMILL_PARTITIONS": str(PARTITIONS)}
    replayed = document(tmp_path, "dead-letters", "replay", **given)
    assert replayed["replayed"] == 1
    # The replayed event comes before this one in its partition.
    assert shown("after") == ["i1", "i3"]
    answers.close()
