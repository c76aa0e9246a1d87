"""Brokers are killed under load: the only one, and of three with three copies one after the other.

Of three it is each time the one that matters most: who leads the input, then who coordinates the
transactions, while commits go on.
"""

import time

from confluent_kafka.admin import AdminClient

from schemas.topics import RECOMMENDATIONS, USER_EVENTS
from tests.drills.check import logs
from tests.drills.check.findings import Findings, Report, report
from tests.drills.harness.cluster import Broker
from tests.drills.harness.load import Mixture
from tests.drills.harness.scene import Ground, Scene
from tests.drills.harness.waiting import until

SHORT = {"kills": 1, "rate": 150.0, "users": 100, "three": False}
_TRANSACTIONS = "__transaction_state"
_LED = (USER_EVENTS.name, _TRANSACTIONS, RECOMMENDATIONS.name)


def run(
    ground: Ground, *, kills: int = 4, rate: float = 300.0, users: int = 300, three: bool = True
) -> Report:
    """`kills` of the only broker, twice as many of three."""
    findings, figures = Findings(), {}
    for brokers in (1, 3) if three else (1,):
        with ground.scene(brokers=brokers) as scene:
            load = scene.load(rate, Mixture(users=users))
            crew = scene.crew(2)
            until("the first slates", lambda: scene.progress.answered() > 0)
            silent_s = [
                _kill(scene, _LED[number % len(_LED)])
                for number in range(kills if brokers == 1 else 2 * kills)
            ]
            findings.take(scene.verdict())
            figures[f"{brokers} brokers"] = {
                "events": load.sent,
                "until_slates_again_s": silent_s,
                "exits": {str(code): times for code, times in crew.exit_codes().items()},
            }
    return report("brokers", findings, figures)


def _kill(scene: Scene, led: str) -> float:
    """Kill who leads most of a topic; seconds until slates come again."""
    victim = _leader(scene, led)
    victim.kill()
    began = time.monotonic()
    if scene.cluster.count == 1:
        victim.start()
    before = until("the brokers answer", lambda: answered(scene))
    until("slates go out again", lambda: answered(scene) > before + 20)
    took_s = round(time.monotonic() - began, 1)
    if scene.cluster.count > 1:
        victim.start()
        until("every copy is there again", lambda: _is_whole(scene))
    return took_s


def _leader(scene: Scene, topic: str) -> Broker:
    admin: AdminClient = logs.administrator(scene.bootstrap)
    found = admin.list_topics(topic, timeout=logs.ANSWER_S).topics[topic].partitions.values()
    leaders = [partition.leader for partition in found]
    most = max(leaders, key=leaders.count)
    return scene.cluster.brokers[most - 1]


def answered(scene: Scene) -> int:
    """0 while the brokers choose a leader."""
    try:
        return scene.progress.answered()
    except Exception:  # noqa: BLE001 - whatever it is, it passes or the wait ends
        return 0


def _is_whole(scene: Scene) -> bool:
    admin = logs.administrator(scene.bootstrap)
    topics = admin.list_topics(timeout=logs.ANSWER_S).topics.values()
    return all(
        len(partition.isrs) == len(partition.replicas)
        for topic in topics
        for partition in topic.partitions.values()
    )
