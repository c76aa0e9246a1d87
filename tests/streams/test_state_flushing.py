"""The lazy flush: whatever dies and whenever, changelog and log together give the states.

The property at the end plays a partition's life on the real fold, store and cycle: batches, idle
times, users let go, deaths with the disk kept, without its last write, and wiped.
"""

import json
import tempfile
from collections.abc import Iterable
from pathlib import Path
from random import Random
from unittest.mock import patch

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.codec import EventDecoder
from schemas.state import EMPTY, USER_KEY_PREFIX, UserState
from streams.lane.contract import Run
from streams.lane.forwarding import partition_of
from streams.settings import Settings
from streams.stages.intake import Partition
from streams.stages.taken import Intake
from streams.state import flushing
from streams.state.flushing import NOTHING, FlushCycle, Slice
from streams.state.fold import fold
from streams.state.store import Change, Store
from streams.state.users import Users
from tests.streams.records import FakeRecord

CYCLE_S = 10.0
START = {"events": 0}


def changed(store: Store, number: int) -> Users:
    users = Users(store)
    for n in range(number):
        users.put(f"user-{n}", UserState(newest_appended_ms=n))
    return users


def written(slices: Iterable[Slice]) -> list[str]:
    return [
        change.key.removeprefix(USER_KEY_PREFIX).decode()
        for slice_ in slices
        for change in slice_.changes
    ]


def test_nothing_is_written_before_a_cycle_is_due(store: Store) -> None:
    cycle = FlushCycle(CYCLE_S, 0.0, START)
    users = changed(store, 3)
    assert not cycle.is_due(users, START, 9.9)
    assert cycle.take(users, START, 9.9) == NOTHING
    assert len(users.dirty) == 3
    assert cycle.is_due(users, START, 10.0)


def test_a_cycle_writes_everybody_in_slices_and_marks_where_it_began(store: Store) -> None:
    cycle = FlushCycle(CYCLE_S, 0.0, START)
    users = changed(store, 1_000)
    slices = [cycle.take(users, {"events": 100 + at}, 10.0 + at) for at in range(12)]
    assert sorted(written(slices)) == sorted(f"user-{n}" for n in range(1_000))
    assert [len(slice_.changes) for slice_ in slices[:3]] == [64, 64, 72]
    marked = [slice_.marker for slice_ in slices if slice_.marker is not None]
    assert marked == [{"events": 100}]
    assert slices[10].marker is not None, "within the cycle's time"
    assert not users.dirty


def test_who_changes_before_his_turn_is_written_as_he_is_by_then(store: Store) -> None:
    cycle = FlushCycle(CYCLE_S, 0.0, START)
    users = changed(store, 100)
    first = cycle.take(users, {"events": 1}, 10.0)
    (waiting, *_) = users_left = sorted(set(users_of(100)) - set(written([first])))
    assert len(users_left) == 36
    newer = UserState(newest_appended_ms=5_000)
    users.put(waiting, newer)
    second = cycle.take(users, {"events": 2}, 20.0)
    values = {change.key: change.value for change in second.changes}
    assert values[USER_KEY_PREFIX + waiting.encode()] == newer.encode()
    assert second.marker == {"events": 1}
    assert not users.dirty


def test_who_changes_behind_his_turn_is_written_in_the_next_cycle(store: Store) -> None:
    cycle = FlushCycle(CYCLE_S, 0.0, START)
    users = changed(store, 100)
    (gone, *_) = written([cycle.take(users, {"events": 1}, 10.0)])
    users.put(gone, UserState(newest_appended_ms=5_000))
    assert gone not in written([cycle.take(users, {"events": 2}, 20.0)])
    assert list(users.dirty) == [gone]
    assert cycle.take(users, {"events": 2}, 25.0) == NOTHING
    third = cycle.take(users, {"events": 3}, 30.0)
    assert written([third]) == [gone]
    assert third.marker == {"events": 3}


def test_an_idle_partition_finishes_its_cycle_and_rests(store: Store) -> None:
    cycle = FlushCycle(CYCLE_S, 0.0, START)
    users = changed(store, 2_500)
    behind = {"events": 9}
    taken, now_s = [], 0.0
    while now_s < 60:
        now_s += 0.1
        if cycle.is_due(users, behind, now_s):
            taken.append((now_s, cycle.take(users, behind, now_s)))
    assert sorted(written(slice_ for _, slice_ in taken)) == sorted(users_of(2_500))
    assert len(taken) <= 6, "few transactions of its own"
    assert taken[-1][0] <= 2 * CYCLE_S + 0.2
    assert taken[-1][1].marker == behind
    assert cycle.is_clean(users, behind)


def test_a_cycle_without_users_still_marks(store: Store) -> None:
    cycle = FlushCycle(CYCLE_S, 0.0, START)
    users = Users(store)
    assert not cycle.is_due(users, START, 100.0)
    assert cycle.is_due(users, {"events": 5}, 100.0)
    assert cycle.take(users, {"events": 5}, 100.0) == Slice([], {"events": 5})
    assert cycle.is_clean(users, {"events": 5})
    assert not cycle.is_clean(users, {"events": 6})


def test_a_partition_that_is_given_up_writes_all_that_is_left(store: Store) -> None:
    cycle = FlushCycle(CYCLE_S, 0.0, START)
    users = changed(store, 5_000)
    cycle.take(users, {"events": 1}, 10.0)
    users.put("user-0", UserState(newest_appended_ms=7_000))
    slices = []
    while not cycle.is_clean(users, {"events": 2}):
        slices.append(cycle.take(users, {"events": 2}, 10.1, whole=True))
        assert len(slices[-1].changes) <= 2_000, "a transaction stays small"
    assert len(slices) <= 4
    assert slices[-1].marker == {"events": 2}
    assert len(set(written(slices))) >= 5_000 - 64


def users_of(number: int) -> list[str]:
    return [f"user-{n}" for n in range(number)]


# --- a partition's life ---

TOPIC = "user-events"
SETTINGS = Settings(partitions=1, flush_s=CYCLE_S)
USERS = users_of(12)
DECODER = EventDecoder()


def event(number: int, random: Random) -> FakeRecord:
    at_ms = 1_700_000_000_000 + number
    kind = random.choice(["click", "cart", "impression", "erase", "request", "purchase"])
    fields = {
        "event_id": f"e{random.randrange(200)}",
        "user_id": random.choice(USERS),
        "kind": kind,
        "item_id": f"i{random.randrange(9)}",
        "at_ms": at_ms - random.randrange(10_000),
        "recommendation_id": "r",
        "epoch": 16,
        "position": 0,
    }
    assert partition_of(fields["user_id"], 1) == 0
    return FakeRecord(json.dumps(fields).encode(), offset=number, timestamp_ms=at_ms)


def folded(
    records: Iterable[FakeRecord], onto: dict[str, UserState] | None = None
) -> dict[str, UserState]:
    states = dict(onto or {})
    for record in records:
        event = DECODER.decode_event(record.value(), None, record.timestamp()[1])
        state = fold(states.get(event.user_id, EMPTY), event, record.timestamp()[1])
        if state is not EMPTY:
            states[event.user_id] = state
    return states


class Life:
    """One partition, with what its commits leave in the changelog and in the store."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.random = folder, Random(seed)
        self.log: list[FakeRecord] = []
        self.changelog: list[Change] = []
        self.marker = self.position = 0
        self.now_s = 0.0
        self.disks = 0
        self.open()

    def open(self) -> None:
        """As a worker does it: store, changelog, and the input between marker and position."""
        self.store = Store(self.folder / str(self.disks), "changelog")
        read_from = self.store.restored_to() or 0
        self.store.write(self.changelog[read_from:], len(self.changelog))
        self.partition = Partition(0, self.store, SETTINGS, {TOPIC: "east"}, self.now_s)
        self.partition.replay(TOPIC, self.log[self.marker : self.position])

    def batch(self, size: int, *, kept: bool = True) -> None:
        """`kept`: the process did not die between the commit and the write to the store."""
        users = self.partition.users
        users.bound(self.random.choice([0, 0, 10**6]), self.partition.cycle.holds)
        new = [event(len(self.log) + n, self.random) for n in range(size)]
        self.log += new
        if new:
            self.partition.take(Run(TOPIC, new), Intake())
        self.commit(self.partition.cycle.take(users, {TOPIC: len(self.log)}, self.now_s), kept=kept)

    def commit(self, taken: Slice, *, kept: bool = True) -> None:
        self.changelog += taken.changes
        self.position = len(self.log)
        if taken.marker is not None:
            self.marker = taken.marker[TOPIC]
        if kept and taken != NOTHING:
            self.store.write(taken.changes, len(self.changelog))

    def idle(self) -> None:
        behind = {TOPIC: len(self.log)}
        if self.partition.cycle.is_due(self.partition.users, behind, self.now_s):
            self.batch(0)

    def give_up(self) -> None:
        cycle, users, behind = self.partition.cycle, self.partition.users, {TOPIC: len(self.log)}
        while not cycle.is_clean(users, behind):
            self.commit(cycle.take(users, behind, self.now_s, whole=True))
        assert self.marker == len(self.log)

    def die(self, *, wiped: bool = False) -> None:
        self.store.close()
        self.disks += wiped
        self.open()

    def check(self) -> None:
        """Whoever opens the partition now, on whatever disk, comes to the states of the log."""
        expected = folded(self.log[: self.position])
        assert dict(self.partition.users.states()) == expected
        written = {
            change.key[1:].decode(): UserState.decode(change.value or b"")
            for change in self.changelog
        }
        assert folded(self.log[self.marker : self.position], onto=written) == expected


STEPS = {"batch": 8, "idle": 2, "die": 1, "die wiped": 1, "die in a commit": 1, "give up": 1}
"""With how often each is met."""


@settings(
    max_examples=40, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow]
)
@given(st.integers(0, 2**32), st.integers(1, 25))
def test_changelog_and_log_together_are_the_states(seed: int, length: int) -> None:
    """Hypothesis would spend its budget on short lives: it draws how long and a seed."""
    with (
        tempfile.TemporaryDirectory() as folder,
        patch.object(flushing, "_AT_LEAST", 2),
        patch.object(flushing, "_AT_MOST", 5),
    ):
        life = Life(Path(folder), seed)
        for step in Random(seed).choices([*STEPS], [*STEPS.values()], k=length):
            life.now_s += life.random.choice([0, 1, 6])
            if step == "batch":
                life.batch(life.random.randint(1, 6))
            elif step == "idle":
                life.idle()
            elif step == "die in a commit":
                life.batch(life.random.randint(1, 6), kept=False)
                life.die()
            elif step == "give up":
                life.give_up()
                life.die(wiped=life.random.random() < 0.5)
            else:
                life.die(wiped=step == "die wiped")
            life.check()
        life.store.close()


def test_what_was_spilled_before_a_death_is_written_after_it(tmp_path: Path) -> None:
    for seed in range(10):
        life = Life(tmp_path / str(seed), seed)
        for _ in range(4):
            life.batch(5)
        life.die()
        life.give_up()
        life.check()
        life.store.close()
