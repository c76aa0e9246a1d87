"""Inputs that are not as one hopes: aborted transactions and gaps, poison, huge records that are
small on the wire, a topic that is deleted and made again.
"""

import time

import msgspec
from confluent_kafka import Producer
from confluent_kafka.admin import NewTopic

from schemas.topics import USER_EVENTS
from tests.drills.check import logs
from tests.drills.check.findings import Report, report
from tests.drills.check.logs import Logs
from tests.drills.harness.load import Mixture
from tests.drills.harness.scene import Ground, Scene
from tests.drills.harness.waiting import until

SHORT = {"rate": 150.0, "users": 100, "transactions": 40, "huge_mb": 20}
_MIB = 1024 * 1024


def run(
    ground: Ground,
    *,
    rate: float = 400.0,
    users: int = 300,
    transactions: int = 400,
    huge_mb: int = 50,
) -> Report:
    """Half of `transactions` are aborted; records of `huge_mb` lie between good ones."""
    with ground.scene() as scene:
        load = scene.load(rate, Mixture(users=users, poison=0.05))
        crew = scene.crew(2)
        until("the first slates", lambda: scene.progress.answered() > 0)
        _transactions(scene, transactions, users)
        _huge(scene, huge_mb)
        crew.kill(crew.members[0], wipe=True)  # and all of it is folded again from the input
        scene.settle()
        _make_again(scene)
        again = scene.load(rate, Mixture(users=users))
        before = scene.progress.answered()
        until("slates of the new topic", lambda: scene.progress.answered() > before + users)
        findings = scene.verdict(allowed_exits=frozenset((10, 11, 12, 13)))
        figures = {
            "events": load.sent + again.sent,
            "exits": {str(code): times for code, times in crew.exit_codes().items()},
            "peak_mb": round(crew.peak_mb),
        }
        return report("inputs", findings, figures)


def _transactions(scene: Scene, count: int, users: int) -> None:
    """Events in transactions of a producer's own; every second one never was."""
    producer = Producer(
        {
            "bootstrap.servers": scene.bootstrap,
            "transactional.id": "a-shop",
            "partitioner": "murmur2_random",
            "log_level": 2,
        }
    )
    producer.init_transactions(60)
    for number in range(count):
        producer.begin_transaction()
        for place in range(5):
            user_id = f"user-{(number * 7 + place) % users}"
            event = {
                "event_id": f"transaction-{number}-{place}",
                "user_id": user_id,
                "kind": "click",
                "item_id": f"i{place}",
                "at_ms": time.time_ns() // 1_000_000,
            }
            producer.produce(USER_EVENTS.name, msgspec.json.encode(event), user_id)
        if number % 2:
            producer.flush(60)  # it reaches the log, and is not in it
            producer.abort_transaction(60)
        else:
            producer.commit_transaction(60)


def _huge(scene: Scene, size_mb: int) -> None:
    """Records of many megabytes that a broker takes, because it looks at the compressed batch."""
    producer = Producer(
        {
            "bootstrap.servers": scene.bootstrap,
            "compression.type": "zstd",
            "message.max.bytes": 100 * _MIB,
            "queue.buffering.max.kbytes": 200 * 1024,
            "log_level": 2,
        }
    )
    for partition in range(scene.partitions):
        producer.produce(USER_EVENTS.name, b"0" * (size_mb * _MIB), b"huge", partition=partition)
        assert producer.flush(120) == 0


def _make_again(scene: Scene) -> None:
    """Delete the input and make it again, while the workers hold it."""
    admin = logs.administrator(scene.bootstrap)
    (feed,) = scene.feeds
    (topic_id,) = logs.topic_ids(admin, feed.topic).values()
    reader = Logs(scene.bootstrap)
    scene.inputs.remember(reader, feed, topic_id)
    reader.close()
    admin.delete_topics([feed.topic])[feed.topic].result()
    until("the topic is gone", lambda: feed.topic not in admin.list_topics(timeout=30).topics)
    new = NewTopic(feed.topic, scene.partitions, config=USER_EVENTS.config())
    admin.create_topics([new])[feed.topic].result()
    until("the topic is there", lambda: _is_led(scene))


def _is_led(scene: Scene) -> bool:
    found = logs.administrator(scene.bootstrap).list_topics(timeout=30).topics
    parts = found[USER_EVENTS.name].partitions.values() if USER_EVENTS.name in found else ()
    return len(parts) == scene.partitions and all(part.leader > 0 for part in parts)
