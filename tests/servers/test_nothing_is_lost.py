"""A worker is killed, and no acknowledged event is without its effect, nor has it twice.

The checker reads only the input and the output of a real broker, read_committed, and folds the
input by itself.
"""

import random
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable

import pytest

from infra.lag import behind
from schemas.codec import EventDecoder
from schemas.recommendations import AnswerHeaders
from schemas.state import EMPTY, UserState
from schemas.topics import ITEM_UPDATES, RECOMMENDATIONS, USER_EVENTS
from streams.lane.forwarding import partition_of
from streams.settings import Settings
from streams.state.digests import state_digest
from streams.state.fold import fold
from streams.topology import RECOMMEND
from tests.servers.conftest import PARTITIONS, RunningKafka
from tests.servers.dying_worker import STEPS
from tests.servers.workers import (
    Log,
    Worker,
    event,
    item,
    own,
    produce,
    recommendations,
    until,
)

USERS = [f"user-{number}" for number in range(40)]
DYING = ("tests/servers/dying_worker.py",)


@pytest.fixture(autouse=True)
def shop(fresh_kafka: RunningKafka) -> None:
    """A region that owns itself and knows some items."""
    own(fresh_kafka.bootstrap)
    for number in range(30):
        produce(fresh_kafka.bootstrap, ITEM_UPDATES.name, item(f"i{number}"), key=f"i{number}")


def send(bootstrap: str, count: int, *, seed: int, partitioner: str = "murmur2_random") -> None:
    """Acknowledged events of random users, in several requests."""
    random_ = random.Random(seed)
    for start in range(0, count, 50):
        for user in random_.sample(USERS, 10):
            values = [
                event(
                    f"{seed}-{start}-{n}",
                    user,
                    random_.choice(["click", "cart", "purchase", "hide"]),
                    item_id=f"i{random_.randrange(30)}",
                )
                for n in range(5)
            ]
            produce(bootstrap, USER_EVENTS.name, *values, key=user, partitioner=partitioner)


def check(bootstrap: str) -> int:
    """Every ask is answered, no answer is there twice, and in the end each user's slate is made
    from the state that all events of the user make. Returns the number of answers.
    """
    events = Log(bootstrap, USER_EVENTS.name)
    until("everything is processed", lambda: _is_quiet(bootstrap, events))
    for user in USERS:
        probe = event(f"probe-{user}", user, "request", item_id=None)
        produce(bootstrap, USER_EVENTS.name, probe, key=user, partitioner="murmur2_random")
    states: dict[str, UserState] = defaultdict(lambda: EMPTY)
    asks: list[tuple[str, tuple[int, str]]] = []
    decoder = EventDecoder()
    for record in events.read():
        appended_at_ms = record.timestamp()[1]
        decoded = decoder.decode_event(record.value(), None, appended_at_ms)
        if record.partition() == partition_of(decoded.user_id, PARTITIONS):
            states[decoded.user_id] = fold(states[decoded.user_id], decoded, appended_at_ms)
            asks.append((decoded.user_id, (appended_at_ms, decoded.event_id)))
    events.close()
    log = Log(bootstrap, RECOMMENDATIONS.name)

    def probes() -> dict[str, str]:
        return {
            answer.user_id: answer.made_from.state
            for answer in recommendations(log)
            if answer.cause.event_id == f"probe-{answer.user_id}"
        }

    until("every probe is answered", lambda: probes().keys() == set(USERS))
    assert probes() == {user: state_digest(states[user]) for user in USERS}
    answers = list(recommendations(log))
    ids = {(answer.user_id, answer.cause.event_id) for answer in answers}
    newest = {
        answer.user_id: (answer.cause.appended_at_ms, answer.cause.event_id)
        for answer in sorted(answers, key=lambda a: (a.cause.appended_at_ms, a.cause.event_id))
    }
    open_ = [ask for ask in asks if ask[1] > newest[ask[0]] and (ask[0], ask[1][1]) not in ids]
    assert not open_, "asks without an answer"
    epochs = [AnswerHeaders.decode(record.headers() or []).epoch for record in log.records]
    times = Counter(zip((answer.recommendation_id for answer in answers), epochs, strict=True))
    assert max(times.values()) == 1, "answered twice"
    log.close()
    return len(answers)


def _is_quiet(bootstrap: str, events: Log) -> bool:
    """Nothing is left to process, and processing the last of it put nothing new into the log: a
    batch that is made again after a death forwards its misplaced records a second time.
    """
    before = len(events.read())
    left = behind(RECOMMEND, Settings(kafka=bootstrap, partitions=PARTITIONS))
    return left == 0 and len(events.read()) == before


@pytest.mark.parametrize("step", STEPS)
def test_death_after_a_step_of_the_commit(
    step: str, fresh_kafka: RunningKafka, start_worker: Callable[..., Worker]
) -> None:
    # Placed by librdkafka's default, so that there is something to forward in each batch.
    send(fresh_kafka.bootstrap, 300, seed=1, partitioner="consistent_random")
    dying = start_worker(program=DYING, die_after=step)
    assert dying.wait() == -9
    start_worker()
    send(fresh_kafka.bootstrap, 100, seed=2)
    assert check(fresh_kafka.bootstrap) >= len(USERS)


def test_kills_at_random_moments_under_load(
    fresh_kafka: RunningKafka, start_worker: Callable[..., Worker]
) -> None:
    bootstrap = fresh_kafka.bootstrap
    stopping = threading.Event()

    def load() -> None:
        seed = 3
        while not stopping.is_set():
            seed += 1
            send(bootstrap, 50, seed=seed)

    loading = threading.Thread(target=load)
    answers = Log(bootstrap, RECOMMENDATIONS.name)
    random_ = random.Random(4)
    workers = [start_worker(), start_worker()]
    loading.start()
    try:
        for _ in range(4):
            before = len(answers.read())
            until("answers come", lambda before=before: len(answers.read()) > before + 3)
            time.sleep(random_.random() / 5)  # so that the kill comes at any moment of a batch
            workers.pop(0).kill()
            workers.append(start_worker())
    finally:
        stopping.set()
        loading.join()
        answers.close()
    assert check(bootstrap) >= len(USERS)
