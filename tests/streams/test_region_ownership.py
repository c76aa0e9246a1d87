"""Which ownership record holds, and what the next ones look like."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.codec import Reason, RefusedError
from schemas.control import Ownership, PastEpoch
from streams.region.ownership import Ownerships, epoch_of, first_record, next_epoch
from tests.streams.control_copies import content, copy_of


def record(epoch: int, owner: str = "east", **more: object) -> Ownership:
    return Ownership(origin="east", epoch=epoch, owner=owner, command_id="c", **more)


def of(*records: Ownership) -> Ownerships:
    ownerships = Ownerships()
    for offset, each in enumerate(records):
        ownerships.apply(copy_of(each, key=each.origin, offset=offset))
    return ownerships


@pytest.mark.parametrize(
    ("records", "holds"),
    [
        ([record(16), record(33, "west")], record(33, "west")),
        ([record(33, "west"), record(16)], record(33, "west")),
        ([record(16), record(16, draining=True)], record(16, draining=True)),
        ([record(16, draining=True), record(16)], record(16, draining=True)),
        ([record(16, draining=True), record(33, "west")], record(33, "west")),
        ([record(16, rotation_ms=7), record(16)], record(16, rotation_ms=7)),
        ([record(16, draining=True), record(16, rotation_ms=7)], record(16, draining=True)),
    ],
)
def test_the_highest_epoch_and_then_draining_holds(
    records: list[Ownership], holds: Ownership
) -> None:
    assert content(of(*records).current("east")) == content(holds)


RECORDS = st.builds(
    record,
    st.integers(16, 60),
    st.sampled_from(["east", "west"]),
    draining=st.booleans(),
    rotation_ms=st.sampled_from([0, 7, 9]),
)


@given(st.lists(RECORDS, min_size=1), st.randoms())
def test_order_and_repetition_of_copies_do_not_matter(records: list[Ownership], random) -> None:
    shuffled = records + random.choices(records, k=3)
    random.shuffle(shuffled)
    wanted = content(of(*records).current("east"))
    assert content(of(*shuffled).current("east")) == wanted


def test_the_rotation_asked_for_last_is_that_of_any_origin() -> None:
    assert of(record(16)).rotation_ms == 0
    west = Ownership(origin="west", epoch=17, owner="west", command_id="c", rotation_ms=9)
    assert of(record(16, rotation_ms=7), west).rotation_ms == 9


def test_origins_are_kept_apart() -> None:
    west = Ownership(origin="west", epoch=17, owner="west", command_id="c")
    ownerships = of(record(32), west)
    assert content(ownerships.current("west")) == content(west)
    assert sorted(ownerships.origins) == ["east", "west"]


@pytest.mark.parametrize(
    ("value", "key", "headers", "reason"),
    [
        (None, "east", [], Reason.NULL_VALUE),
        (b"{", "east", [], Reason.NOT_JSON),
        (b"\xff", "east", [], Reason.NOT_UTF8),
        (b'{"origin":"east"}', "east", [], Reason.MISSING_FIELD),
        (record(99), "west", [], Reason.OUT_OF_BOUNDS),
        (record(99), None, [], Reason.OUT_OF_BOUNDS),
        (record(15), "east", [], Reason.OUT_OF_BOUNDS),
        (record(-1), "east", [], Reason.OUT_OF_BOUNDS),
        (record(99), "east", [("schema", b"ownership/2")], Reason.NEWER_VERSION),
        (
            record(99, past=[PastEpoch(epoch=99, owner="east", fences={})]),
            "east",
            [],
            Reason.OUT_OF_BOUNDS,
        ),
        (
            record(99, past=[PastEpoch(epoch=16, owner="east", fences={})] * 2),
            "east",
            [],
            Reason.OUT_OF_BOUNDS,
        ),
    ],
)
def test_a_record_that_says_what_cannot_be_changes_nothing(
    value: object, key: str | None, headers: list[tuple[str, bytes]], reason: Reason
) -> None:
    ownerships = of(record(16))
    with pytest.raises(RefusedError) as refused:
        ownerships.apply(copy_of(value, key=key, headers=headers))
    assert refused.value.reason == reason
    assert content(ownerships.current("east")) == content(record(16))
    assert str(reason) in (ownerships.unreadable(key or "") or "")


def test_an_unknown_field_is_ignored_and_counted() -> None:
    ownerships = Ownerships()
    raw = msgspec.json.encode(record(16))[:-1] + b',"later":1}'
    ownerships.apply(copy_of(raw, key="east"))
    assert content(ownerships.current("east")) == content(record(16))
    assert ownerships.decoder.unknown_fields == 1


def test_the_first_record_makes_an_origin_its_own_owner() -> None:
    first = first_record("west", 1, Ownerships(), "up-1")
    assert first is not None
    assert (first.origin, first.owner, first.epoch, first.past) == ("west", "west", 17, [])
    assert content(of(first).current("west")) == content(first)


def test_there_is_no_second_first_record() -> None:
    assert first_record("east", 0, of(record(33, "west")), "up-2") is None


def test_no_first_record_beside_one_that_cannot_be_read() -> None:
    ownerships = Ownerships()
    with pytest.raises(RefusedError):
        ownerships.apply(copy_of(b"{", key="east"))
    with pytest.raises(RefusedError, match="cannot be read"):
        first_record("east", 0, ownerships, "up-3")
    assert first_record("west", 1, ownerships, "up-3") is not None


@given(st.integers(16, 10**9), st.integers(0, 15), st.integers(0, 15))
def test_two_promotions_from_the_same_record_differ_and_are_newer(
    highest: int, one: int, other: int
) -> None:
    first, second = next_epoch(highest, one), next_epoch(highest, other)
    assert min(first, second) > highest
    assert (first == second) == (one == other)
    assert next_epoch(max(first, second), 0) > max(first, second)


@pytest.mark.parametrize("number", [-1, 16])
def test_a_region_number_out_of_bounds_is_refused(number: int) -> None:
    with pytest.raises(ValueError, match="region number"):
        epoch_of(1, number)
