"""The same batches with compiled code and without: the same states to the byte, the same asks.

Two partitions live the same life: batches of both origins, owned or not, users let go, flushes,
joins, what the logs say of answers, deaths and replays. Skipped where nothing was compiled:
`python -m streams.native` does it.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest
from confluent_kafka import Message
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.events import AnyEvent, Request
from schemas.state import EMPTY, UserState
from streams import native as compiled
from streams.lane.contract import Run
from streams.settings import Settings
from streams.stages.asks import Ask, NewestAsks
from streams.stages.intake import Partition
from streams.stages.taken import Intake
from streams.state.fold import fold
from streams.state.hot import HotStates
from streams.state.store import Store
from tests.streams.plain_records import NOW_MS, TOPICS, USERS, fields, message, record, written
from tests.streams.state_records import Rec, folded, records

pytestmark = pytest.mark.skipif(
    compiled.unavailable() is not None, reason=str(compiled.unavailable())
)
Runs = list[tuple[str, list[Message]]]
ORIGINS = {TOPICS[0]: "east", TOPICS[1]: "west"}


_ASKS = [
    Request(event_id=f"{event_id:x}", user_id=user_id, at_ms=0)
    for user_id in USERS
    for event_id in range(60)
]


class Life:
    """Of one partition; `told` is all that can be seen of it."""

    def __init__(self, folder: Path, native: str) -> None:
        # Two partitions: some of the users belong to the other.
        self._settings = Settings(native=native, partitions=2, peers=("west",), sample_share=0.4)
        self.store = Store(folder / native, "changelog")
        self.now_s = 0.0
        self._open()

    def _open(self) -> None:
        self.partition = Partition(0, self.store, self._settings, ORIGINS, self.now_s)

    def batch(self, runs: Runs) -> dict[str, Any]:
        intake = Intake()
        for topic, listed in runs:
            self.partition.take(Run(topic, listed), intake)
        return {
            "asks": intake.asks,
            "sampled": intake.sampled,
            "dead letters": intake.dead_letters,
            "refused": intake.refused,
            "forward": intake.forward,
            "first": intake.first_appended_ms,
        }

    def flush(self) -> None:
        self.now_s += 4.0
        changes, _ = self.partition.cycle.take(self.partition.users, {}, self.now_s)
        self.store.write(changes)

    def die(self, again: list[Runs]) -> None:
        self._open()
        for runs in again:
            for topic, listed in runs:
                self.partition.replay(topic, iter(listed))

    def told(self) -> dict[str, Any]:
        users = self.partition.users
        return {
            "states": {user_id: state.encode() for user_id, state in users.states()},
            "dirty": set(users.dirty),
            "hot": (users.hot, set(users.hot_ids()), users.hot_states.young),
            "folded to": self.partition.folded_to,
            "unknown fields": self.partition._decoder.unknown_fields,
            "recent": [
                recent.knows(self.partition.plain.recent_ask(ask), NOW_MS)
                for recent in self.partition.answered.recent.values()
                for ask in _ASKS
            ],
        }


@contextmanager
def two_lives() -> Iterator[list[Life]]:
    with tempfile.TemporaryDirectory() as folder:
        lives = [Life(Path(folder), native) for native in ("auto", "off")]
        try:
            yield lives
        finally:
            for life in lives:
                life.store.close()


def runs(random: Random, at_ms: int) -> Runs:
    made = []
    for _ in range(random.choice((1, 1, 2, 3))):
        topic = random.choice(TOPICS)
        size = random.choice((1, 3, 20, 60))
        listed = [
            record(random, offset, at_ms + random.choice((0, 0, 1, 40, -2, 50_000)), topic)
            for offset in range(size)
        ]
        made.append((topic, listed + random.choices(listed, k=size // 5)))
    return made


def own(life: Life, random: Random, _: int) -> None:
    life.partition.epochs = random.choice(({"east": 16}, {"east": 16, "west": 17}, {}))


def learn(life: Life, random: Random, at_ms: int) -> None:
    """What the logs say: some asks were answered, one is due, one was met a moment ago."""
    orders = {
        (random.choice(USERS), random.choice(("main", "home"))): (
            at_ms + random.randrange(-50, 50),
            f"{random.randrange(60):x}",
        )
        for _ in range(4)
    }
    answered_before_ms = at_ms - random.choice((-5, 0, 10**6))
    asks = [Ask(event(random, at_ms), "east", at_ms, TOPICS[0], 1) for _ in range(2)]
    plain, recent = life.partition.plain, life.partition.plain.recent_asks()
    for ask in asks:
        recent.add(plain.recent_ask(ask.event), at_ms)
    life.partition.learn("east", asks[:1], orders, recent, answered_before_ms)


def event(random: Random, at_ms: int) -> AnyEvent:
    return msgspec.json.decode(msgspec.json.encode(fields(random, at_ms)), type=AnyEvent)


def join(life: Life, random: Random, at_ms: int) -> None:
    log = [Rec(event(random, at_ms), at_ms) for _ in range(random.choice((1, 5, 80)))]
    value, key = folded(log).encode(), random.choice(USERS).encode()
    joined = Message("user-state.joins", 0, 0, key, value, None, None, (1, at_ms))
    life.batch([("user-state.joins", [joined])])


def bound(life: Life, random: Random, _: int) -> None:
    life.partition.users.bound(random.choice((0, 0, 10**9)), life.partition.cycle.holds)


def flush(life: Life, _random: Random, _: int) -> None:
    life.flush()


STEPS = (own, learn, join, bound, flush, flush)


def step(random: Random, lives: list[Life], at_ms: int, past: list[Runs]) -> None:
    """The same for both."""
    if random.random() < 0.6:
        past.append(runs(random, at_ms))
        ours, theirs = (life.batch(past[-1]) for life in lives)
        for what, seen in ours.items():
            assert seen == theirs[what], what
    elif random.random() < 0.1:
        for life in lives:
            life.die(past[-4:])
    else:
        seed, change = random.random(), random.choice(STEPS)
        for life in lives:
            change(life, Random(seed), at_ms)


@settings(max_examples=150, deadline=None, database=None)
@given(st.integers(0, 2**48), st.integers(1, 25))
def test_two_lives_are_alike(seed: int, steps: int) -> None:
    random, past = Random(seed), []
    with two_lives() as lives:
        for life in lives:
            life.partition.epochs = {"east": 16, "west": 17}
        for number in range(steps):
            step(random, lives, NOW_MS + number * random.choice((1, 1_000, 70_000)), past)
            ours, theirs = (life.told() for life in lives)
            for what, seen in ours.items():
                assert seen == theirs[what], what


def test_plain_records_of_known_users_do_not_come_to_python(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    random = Random(5)
    plain = [
        message(written(random, made), offset=offset)
        for offset in range(500)
        if (made := fields(random, NOW_MS))["kind"] != "erase"
        and made["user_id"] == "ann"
        and made.get("followed_user_id", "").isascii()
        and len(made.get("item_id", "")) <= 240
    ]
    with two_lives() as (life, _):
        life.partition.epochs = {"east": 16, "west": 17}
        life.partition.users.put("ann", EMPTY)
        monkeypatch.setattr(life.partition, "_decode", lambda *_: pytest.fail("it was odd"))
        assert life.batch([(TOPICS[0], [one for one in plain if b"\n" not in one.value()])])["asks"]


@settings(max_examples=60, deadline=None, database=None)
@given(records(), st.integers(0, 2**32))
def test_any_log_folds_to_the_same_bytes(log: list[Rec], seed: int) -> None:
    """Logs that reach every limit: tests/streams/test_state_law.py says so."""
    random = Random(seed)
    hot = compiled.native().HotStates(UserState, EMPTY.maps)
    hot.put("ann", EMPTY)
    reading = compiled.native().Reading(hot)
    log = random.sample(log, len(log))
    listed = [
        message(msgspec.json.encode(one.event), appended_at_ms=one.appended_at_ms) for one in log
    ]
    at = reading.take(listed, 0)
    while at < len(listed):
        if log[at].event.kind == "erase":
            state = hot.touch("ann")
            assert state is not None
            hot.put("ann", fold(state, log[at].event, log[at].appended_at_ms))
            at += 1
        at = reading.take(listed, at)
    assert hot.peek("ann") == folded(log)


def test_each_ask_is_kept_where_that_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(NewestAsks, "keeps_each", True)
    listed = [
        message(written(Random(1), click), offset=offset)
        for offset in range(30)
        if (click := fields(Random(offset), NOW_MS) | {"user_id": "ann", "event_id": f"{offset}"})
    ]
    with two_lives() as lives:
        for life in lives:
            life.partition.epochs = {"east": 16}
        ours, theirs = (life.batch([(TOPICS[0], listed)])["asks"] for life in lives)
        assert ours == theirs
        assert len(ours) > 5


def test_the_tables_grow_and_let_go() -> None:
    """Thousands of users in two generations, as Python's dicts have them."""
    random = Random(2)
    native, python = compiled.native().HotStates(UserState, EMPTY.maps), HotStates()
    for number in range(30_000):
        user_id = f"user-{random.randrange(6_000)}"
        if random.random() < 0.5:
            state = UserState(
                newest_appended_ms=number, history=random.randbytes(25 * (number % 9))
            )
            native.put(user_id, state)
            python.put(user_id, state)
        else:
            assert native.touch(user_id) == python.touch(user_id)
        if number % 7_000 == 6_999:
            assert set(native.old_ids()) == set(python.old_ids())
            native.age()
            python.age()
        assert (len(native), native.young) == (len(python), python.young)
    assert {one: native.peek(one) for one in native.ids()} == {
        one: python.peek(one) for one in python.ids()
    }


def test_what_is_no_state_is_refused() -> None:
    hot = compiled.native().HotStates(UserState, EMPTY.maps)
    with pytest.raises(ValueError, match="entries"):
        hot.put("ann", UserState(history=b"123"))
    with pytest.raises(ValueError, match="maps"):
        hot.put("ann", UserState(maps=(b"",)))
    with pytest.raises(TypeError):
        compiled.native().Reading(hot, asks="none")
    with pytest.raises(IndexError):
        compiled.native().Reading(hot).take([], 1)
