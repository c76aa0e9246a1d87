"""What a replay of dead letters keeps: exactly the letters that are open are looked at again."""

from hypothesis import given
from hypothesis import strategies as st

from infra.settled import METADATA_BYTES, Settled, looked_at, read

records = st.dictionaries(st.integers(0, 200), st.booleans()).map(lambda d: sorted(d.items()))


@given(records)
def test_exactly_the_open_records_are_not_settled(seen: list[tuple[int, bool]]) -> None:
    kept = looked_at(Settled(), seen)
    again = read(kept.end, kept.metadata)
    assert {offset for offset, _ in seen if offset not in again} == {
        offset for offset, is_open in seen if is_open
    }
    assert 10_000 not in again


@given(records, st.data())
def test_a_second_look_goes_on_from_the_first(
    seen: list[tuple[int, bool]], data: st.DataObject
) -> None:
    first = looked_at(Settled(), seen)
    closed = data.draw(st.sets(st.sampled_from([o for o, _ in seen]))) if seen else set()
    later = [(o, o not in first and o not in closed) for o, _ in seen]
    second = looked_at(first, later)
    assert all((o in second) == (not is_open) for o, is_open in later)


def test_too_many_stretches_set_the_end_back_and_open_records_stay_open() -> None:
    seen = [(offset, offset % 2 == 0) for offset in range(10_000)]
    kept = looked_at(Settled(), seen)
    assert len(kept.metadata) <= METADATA_BYTES
    again = read(kept.end, kept.metadata)
    assert all(offset not in again for offset, is_open in seen if is_open)
    assert 1 in again


def test_what_is_not_ours_settles_nothing() -> None:
    assert 3 not in read(10, "somebody else's words")
    assert 3 not in read(-1001, "")
    assert 3 in read(10, "")
