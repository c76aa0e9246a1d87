"""The checker's own fold against the engine's: they share no line, and must agree to the byte."""

from hypothesis import given
from hypothesis import strategies as st

from streams.lane.forwarding import partition_of
from streams.state import digests
from tests.drills.check.truth import Placement, Remembered, state_digest
from tests.streams.state_records import Rec, folded, records


def remembered(log: list[Rec]) -> Remembered:
    made = Remembered()
    for record in log:
        made.add(record.event, record.appended_at_ms)
    return made


@given(records())
def test_states(log: list[Rec]) -> None:
    assert remembered(log).state() == folded(log)


@given(records(250), records(250))
def test_states_made_of_two(one: list[Rec], other: list[Rec]) -> None:
    both = remembered(one)
    both.take(folded(other))
    assert both.state() == folded([*one, *other])


@given(records(250))
def test_digests(log: list[Rec]) -> None:
    assert state_digest(remembered(log).state()) == digests.state_digest(folded(log))


@given(st.text(min_size=1, max_size=128), st.integers(1, 200))
def test_placement(user_id: str, partitions: int) -> None:
    assert Placement(partitions).of(user_id) == partition_of(user_id, partitions)
