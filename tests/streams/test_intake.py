"""The pass over a batch: states, asks, dead letters, forwarded records, neighbours unharmed."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from schemas.codec import Reason
from schemas.state import UserState
from schemas.topics import MAX_EVENT_BYTES
from streams.lane import dead_letters
from streams.lane.contract import Run
from streams.lane.forwarding import partition_of
from streams.native.contract import Recent
from streams.settings import Settings
from streams.stages.asks import Ask
from streams.stages.intake import Partition
from streams.stages.recent import CLOCK_STEP_MS, WINDOW_MS
from streams.stages.sample import Sample
from streams.stages.taken import Intake
from streams.state.digests import whole_digest
from streams.state.store import Store
from tests.streams.records import FakeRecord

PARTITIONS = 4
SETTINGS = Settings(partitions=PARTITIONS, asking_kinds=("click", "request"), peers=("west",))
NOW_MS = 1_700_000_000_000
ORIGINS = {"user-events": "east", "west.user-events": "west"}
KIM = partition_of("kim", PARTITIONS)

Held = Callable[..., Partition]


@pytest.fixture
def held(open_store: Callable[..., Store]) -> Held:
    """Opens partitions, each with a store of its own and both origins owned."""

    def hold(number: int = KIM, name: str = "0") -> Partition:
        partition = Partition(number, open_store(name), SETTINGS, ORIGINS, now_s=0.0)
        partition.epochs = {"east": 16, "west": 17}
        return partition

    return hold


def event(**fields: Any) -> bytes:
    whole = {
        "event_id": "e1",
        "user_id": "kim",
        "kind": "click",
        "item_id": "i1",
        "at_ms": NOW_MS,
    } | fields
    return msgspec.json.encode({name: value for name, value in whole.items() if value is not None})


def recent(partition: Partition, *asks: Ask) -> Recent:
    """What an opening read."""
    found = partition.plain.recent_asks()
    for ask in asks:
        found.add(partition.plain.recent_ask(ask.event), ask.appended_at_ms)
    return found


def take(value: bytes | None, where: Partition, **record: Any) -> Intake:
    return taken(where, FakeRecord(value, **record))


def taken(where: Partition, *records: FakeRecord) -> Intake:
    taken = Intake()
    where.take(Run(records[0].topic(), records), taken)
    return taken


REFUSED = {
    Reason.NULL_VALUE: None,
    Reason.NOT_JSON: b"{",
    Reason.NOT_UTF8: b'{"event_id":"\xff"}',
    Reason.WRONG_TYPE: event(at_ms="now"),
    Reason.MISSING_FIELD: event(item_id=None),
    Reason.UNKNOWN_KIND: event(kind="teleport"),
    Reason.OUT_OF_BOUNDS: event(user_id="u" * 129),
    Reason.TIME_NEGATIVE: event(at_ms=-1),
    Reason.TIME_IN_SECONDS: event(at_ms=NOW_MS // 1000),
    Reason.TIME_AHEAD: event(at_ms=NOW_MS + 86_400_001),
    Reason.TOO_LARGE: event(session_id="s" * MAX_EVENT_BYTES),
}


@pytest.mark.parametrize("reason", REFUSED)
def test_what_is_refused_is_dead_lettered_and_its_neighbours_are_taken(
    reason: Reason, held: Held
) -> None:
    good = [
        FakeRecord(event(event_id=name, surface=name), offset=at)
        for at, name in ((1, "a"), (3, "b"))
    ]
    bad = FakeRecord(REFUSED[reason], offset=2, key=b"k", headers=[("mine", b"x")])
    found = taken(held(), good[0], bad, good[1])
    assert [ask.event.event_id for ask in found.asks.values()] == ["a", "b"]
    assert found.refused == [("user-events", reason)]
    (letter,) = found.dead_letters
    headers = dict(letter.headers)
    assert headers[dead_letters.REASON] == reason.encode()
    assert headers[dead_letters.OFFSET] == b"2"
    assert headers["mine"] == b"x"
    assert letter.key == b"k"
    if reason is not Reason.TOO_LARGE:
        assert letter.value == REFUSED[reason]


def test_a_huge_value_is_cut_and_its_size_and_hash_are_kept(held: Held) -> None:
    value = event(session_id="s" * (5 * 1024 * 1024))
    (letter,) = take(value, held()).dead_letters
    headers = dict(letter.headers)
    assert letter.value == value[: dead_letters.CUT_BYTES]
    assert headers[dead_letters.BYTES] == str(len(value)).encode()
    assert len(headers[dead_letters.HASH]) == 32


def test_a_newer_version_is_refused_by_its_header(held: Held) -> None:
    found = take(event(), held(), headers=[("schema", b"user-event/2")])
    assert found.refused == [("user-events", Reason.NEWER_VERSION)]


def test_the_value_and_not_the_key_says_whose_event_it_is(held: Held) -> None:
    partition = held()
    found = take(event(), partition, key=b"somebody else")
    assert not found.forward
    assert partition.users.find("kim") is not None


def test_a_misplaced_record_is_forwarded_and_not_folded(held: Held) -> None:
    wrong = held((KIM + 1) % PARTITIONS)
    found = take(event(), wrong, headers=[("producer", b"kcat")])
    assert not list(wrong.users.states())
    assert not found.asks
    (sent,) = found.forward
    assert (sent.partition, sent.key) == (KIM, b"kim")
    assert found.forwarded_for == ["kcat"]


def test_of_many_misplaced_records_one_is_spoken_of(held: Held, caplog) -> None:
    wrong = held((KIM + 1) % PARTITIONS)
    for number in range(5):
        found = take(event(event_id=f"e{number}"), wrong, headers=[("producer", b"kcat")])
        assert len(found.forward) == 1
    assert ["producer kcat" in said for said in caplog.messages] == [True]


def test_a_mirrored_misplaced_record_is_left_to_its_own_region(held: Held) -> None:
    wrong = held((KIM + 1) % PARTITIONS)
    del wrong.epochs["west"]
    found = take(event(), wrong, topic="west.user-events")
    assert not found.forward
    assert not list(wrong.users.states())


def test_a_mirrored_misplaced_record_is_forwarded_by_who_took_its_people_over(held: Held) -> None:
    wrong = held((KIM + 1) % PARTITIONS)
    found = take(event(), wrong, topic="west.user-events")
    (sent,) = found.forward
    assert (sent.topic, sent.partition, sent.key) == ("user-events", KIM, b"kim")
    assert not list(wrong.users.states())


def test_what_was_passed_over_before_its_people_were_taken_over_is_forwarded(held: Held) -> None:
    wrong = held((KIM + 1) % PARTITIONS)
    records = [
        FakeRecord(event(event_id="ask"), topic="west.user-events"),
        FakeRecord(event(event_id="view", kind="view"), topic="west.user-events"),
    ]
    misplaced: list[Any] = []
    assert not list(wrong.asks("west.user-events", records, misplaced))
    found = Intake()
    wrong.forward(misplaced, found)
    assert [(sent.topic, sent.partition) for sent in found.forward] == 2 * [("user-events", KIM)]
    assert not list(wrong.users.states())


def test_an_event_read_twice_changes_no_state_and_is_answered_once(held: Held) -> None:
    partition = held()
    assert take(event(), partition).asks
    once = partition.users.get("kim")
    assert not take(event(), partition).asks
    assert partition.users.get("kim") == once


def test_the_newest_ask_of_each_surface_stands_for_those_before_it(held: Held) -> None:
    asks = [
        FakeRecord(event(event_id=name, surface=surface), timestamp_ms=NOW_MS + at)
        for at, (name, surface) in enumerate((("a", "x"), ("b", "y"), ("c", "x")))
    ]
    found = taken(held(), *asks)
    assert [ask.event.event_id for ask in found.asks.values()] == ["c", "b"]
    assert found.first_appended_ms == {"east": NOW_MS}


def test_an_ask_that_the_logs_say_is_answered_is_not_open(held: Held) -> None:
    partition = held()
    partition.learn("east", [], {("kim", "main"): (NOW_MS, "e2")}, recent(partition))
    assert not take(event(event_id="e1"), partition).asks
    assert not take(event(event_id="e2"), partition).asks
    assert take(event(event_id="e3"), partition).asks
    assert take(event(event_id="e1", surface="other"), partition).asks


def test_an_ask_that_the_logs_say_was_answered_a_moment_ago_is_not_answered_again(
    held: Held,
) -> None:
    partition = held()
    (ask,) = partition.asks("user-events", [FakeRecord(event())])
    partition.learn("east", [], {}, recent(partition, ask))
    assert not take(event(), partition, timestamp_ms=NOW_MS + WINDOW_MS).asks
    assert take(event(), partition, timestamp_ms=NOW_MS + WINDOW_MS + 1).asks


def test_a_standby_that_lagged_behind_gives_no_answers_that_the_logs_say_were_given(
    held: Held,
) -> None:
    partition = held()
    partition.learn("east", [], {}, recent(partition), NOW_MS)
    assert not take(event(event_id="e1"), partition, timestamp_ms=NOW_MS - 1).asks
    assert take(event(event_id="e2"), partition, timestamp_ms=NOW_MS).asks
    mirrored = {"topic": "west.user-events", "timestamp_ms": NOW_MS - 1}
    assert take(event(event_id="e3"), partition, **mirrored).asks, "each origin by its own"


def test_of_answers_only_those_are_kept_that_an_ask_still_to_be_read_may_be_older_than(
    held: Held,
) -> None:
    partition = held()
    take(event(event_id="folded"), partition, timestamp_ms=NOW_MS)
    before_ms, at_most_ms = NOW_MS - CLOCK_STEP_MS - 1, NOW_MS - CLOCK_STEP_MS
    answered = {("kim", "old"): (before_ms, "e1"), ("kim", "new"): (at_most_ms, "e2")}
    partition.learn("east", [], answered, recent(partition))
    assert take(event(surface="old"), partition, timestamp_ms=before_ms).asks
    assert not take(event(surface="new"), partition, timestamp_ms=at_most_ms - 1).asks
    take(event(event_id="next"), partition, timestamp_ms=NOW_MS + 1)
    assert take(event(surface="new"), partition, timestamp_ms=at_most_ms - 1).asks


def test_what_the_logs_said_before_is_dropped_for_what_they_say_now(held: Held) -> None:
    partition = held()
    partition.learn("east", [], {("kim", "main"): (NOW_MS, "e2")}, recent(partition), NOW_MS)
    partition.learn("east", [], {}, recent(partition))
    assert take(event(event_id="e1"), partition, timestamp_ms=NOW_MS - 1).asks


def test_a_copy_that_a_lagging_mirror_brings_is_known_by_its_own_origins_time(held: Held) -> None:
    partition = held()
    mirrored = {"topic": "west.user-events", "timestamp_ms": NOW_MS}
    assert take(event(event_id="e1"), partition, **mirrored).asks
    assert take(event(event_id="e2"), partition, timestamp_ms=NOW_MS + 3 * WINDOW_MS).asks
    assert not take(event(event_id="e1"), partition, **mirrored).asks


def test_an_event_that_an_app_sent_to_two_regions_is_answered_once(held: Held) -> None:
    partition = held()
    assert take(event(), partition, timestamp_ms=NOW_MS).asks
    mirrored = {"topic": "west.user-events", "timestamp_ms": NOW_MS + WINDOW_MS}
    assert not take(event(), partition, **mirrored).asks


def test_what_was_answered_in_an_epoch_that_ended_answers_no_copy(held: Held) -> None:
    """The app sent it to both regions, and this one lost the origin that it answered it for."""
    partition = held()
    assert take(event(), partition, topic="west.user-events").asks
    partition.forget("west")
    assert take(event(), partition).asks


def test_nobody_asks_an_origin_that_is_not_owned(held: Held) -> None:
    partition = held()
    partition.epochs = {"west": 17}
    assert not take(event(), partition).asks
    assert take(event(), partition, topic="west.user-events").asks
    assert partition.users.find("kim") is not None


def test_replay_makes_the_same_states_and_no_output(held: Held) -> None:
    records = [FakeRecord(event(event_id=f"e{n}", item_id=f"i{n}"), offset=n) for n in range(60)]
    first, second = held(name="first"), held(name="second")
    taken(first, *records)
    second.replay(
        "user-events", [*records, FakeRecord(b"{"), FakeRecord(event(user_id="not here"))]
    )
    assert whole_digest(second.users.states()) == whole_digest(first.users.states())
    assert second.users.dirty.keys() == first.users.dirty.keys() == {"kim"}


def test_what_is_folded_again_is_written_again(held: Held) -> None:
    """A process before this one may have spilled it: the store has it, the changelog has not."""
    first = held()
    take(event(), first)
    for somebody in ("ann", "bob"):
        first.users.bound(0, is_due=lambda _: False)
        first.users.put(somebody, UserState())
    first.users._store.close()
    second = held()
    assert second.users.find("kim") is not None, "spilled"
    second.replay("user-events", [FakeRecord(event())])
    assert "kim" in second.users.dirty
    value = second.users.flushed("kim").value
    assert not second.users.dirty
    second.replay("user-state.joins", [FakeRecord(value)])
    assert "kim" in second.users.dirty


def test_who_only_asked_has_no_state_to_write(held: Held) -> None:
    partition = held()
    request = FakeRecord(event(kind="request", item_id=None))
    partition.replay("user-events", [request])
    taken(partition, request)
    assert not partition.users.dirty
    assert partition.users.find("kim") is None


def test_states_of_elsewhere_are_joined(held: Held) -> None:
    here, there = held(name="here"), held(name="there")
    take(event(event_id="here"), here)
    take(event(event_id="there", item_id="i2"), there)
    state = there.users.get("kim").encode()
    here.users.flushed("kim")
    found = take(state, here, topic="user-state.joins")
    assert not found.dead_letters
    take(event(event_id="here"), there)
    assert here.users.get("kim") == there.users.get("kim")
    assert here.users.dirty == {"kim": None}


def test_a_join_that_brings_nothing_new_changes_nothing(held: Held) -> None:
    partition = held()
    take(event(), partition)
    value = partition.users.flushed("kim").value
    take(value, partition, topic="user-state.joins")
    assert not partition.users.dirty


@pytest.mark.parametrize("value", [None, b"", b"\1", b"\x63" + bytes(25), b"\1\1" + bytes(23)])
def test_a_malformed_join_is_dead_lettered_and_its_neighbours_are_joined(
    value: bytes | None, held: Held
) -> None:
    partition = held()
    good = UserState(newest_appended_ms=5).encode()
    found = taken(
        partition,
        FakeRecord(value, topic="user-state.joins"),
        FakeRecord(good, topic="user-state.joins", key=b"\xff"),
        FakeRecord(good, topic="user-state.joins"),
    )
    assert found.refused == [("user-state.joins", Reason.WRONG_TYPE)] * 2
    assert partition.users.get("kim").newest_appended_ms == 5


def test_a_join_of_another_partitions_user_is_left_out(held: Held) -> None:
    partition = held((KIM + 1) % PARTITIONS)
    found = take(UserState().encode(), partition, topic="user-state.joins")
    assert not found.dead_letters
    assert partition.users.find("kim") is None


def test_an_unknown_field_is_ignored(held: Held) -> None:
    found = take(event(shiny="new"), held())
    assert len(found.asks) == 1
    assert not found.refused


def test_a_standby_takes_asks_of_the_sample_and_answers_none(held: Held) -> None:
    """Folded like all others; who is not in the sample only where there is nobody else."""
    standby = held()
    standby.epochs = {"east": 16}
    standby.sample = Sample(SETTINGS.model_copy(update={"sample_share": 1.0}))
    found = taken(
        standby,
        FakeRecord(event(event_id="a"), topic="west.user-events", timestamp_ms=NOW_MS),
        FakeRecord(event(event_id="b", kind="view"), topic="west.user-events"),
        FakeRecord(event(event_id="c"), topic="west.user-events", timestamp_ms=NOW_MS + 1),
    )
    assert [ask.event.event_id for ask in found.sampled.values()] == ["c"]
    assert not found.asks
    assert len(standby.users.get("kim").history) > 0
    mine = take(event(event_id="d"), standby)
    assert [ask.event.event_id for ask in mine.asks.values()] == ["d"]
    assert not mine.sampled
    standby.epochs = {"east": 16, "west": 33}
    promoted = take(event(event_id="e"), standby, topic="west.user-events")
    assert [ask.event.event_id for ask in promoted.asks.values()] == ["e"]
    assert not promoted.sampled
