"""How an origin changes hands: what is written, what it ends, what it would lose, why not."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.control import Ownership, PastEpoch
from streams.region.gate import Gate
from streams.region.ownership import Ownerships
from streams.region.promotion import (
    Fences,
    Standby,
    demoted,
    foretold,
    promoted,
    why_not_demote,
    why_not_fail_back,
    why_not_promote,
)
from streams.region.valid import valid
from tests.streams.answers import Answer
from tests.streams.control_copies import content, copy_of
from tests.streams.valid_cases import DRAINING, EAST_2, FIRST

READY = Standby(owner_alive=False, lag=0, lag_bound=100, users_differing=0, peer_epoch=16)


def test_fences_are_the_newest_causes_of_the_epoch_that_ends() -> None:
    fences = Fences(EAST_2)
    for answer in (
        Answer(50, epoch=33),
        Answer(70, epoch=33),
        Answer(60, epoch=33),
        Answer(40, epoch=33, partition=2),
        Answer(999, epoch=16),
        Answer(999, epoch=17),
        Answer(999, epoch=49),
        Answer(999, epoch=33, origin="west"),
    ):
        fences.take(answer.partition, answer.headers)
    assert fences.newest_ms == {0: 70, 2: 40}


def test_a_promotion_ends_the_epoch_before_and_keeps_the_fences_of_earlier_ones() -> None:
    record = promoted(EAST_2, "east", 0, {0: 70}, command_id="promote-2", reason="failback")
    assert (record.epoch, record.owner, record.draining) == (48, "east", False)
    assert content(record)["past"] == [
        *content(EAST_2)["past"],
        content(PastEpoch(epoch=33, owner="west", fences={0: 70})),
    ]
    assert (record.command_id, record.reason) == ("promote-2", "failback")


CHAINS = st.lists(st.tuples(st.sampled_from([0, 1]), st.integers(0, 99)), min_size=1, max_size=6)


@given(CHAINS)
def test_what_an_epoch_had_answered_by_its_fence_stays_valid_for_ever(
    chain: list[tuple[int, int]],
) -> None:
    record = FIRST
    for number, fence_ms in chain:
        ends = record
        record = promoted(ends, ("east", "west")[number], number, {0: fence_ms}, command_id="c")
        assert record.epoch > ends.epoch
        assert valid(Answer(fence_ms, epoch=ends.epoch).headers, 0, record)
        assert not valid(Answer(fence_ms + 1, epoch=ends.epoch).headers, 0, record)
        assert not valid(Answer(fence_ms, epoch=ends.epoch).headers, 1, record)
    ownerships = Ownerships()
    ownerships.apply(copy_of(record, key="east"))
    held = ownerships.current("east")
    assert content(held) == content(record), "a worker takes what a promotion writes"
    for (_, fence_ms), past in zip(chain, record.past, strict=True):
        assert valid(Answer(fence_ms, epoch=past.epoch).headers, 0, held)


def test_a_demoted_owner_publishes_no_more_and_what_it_answered_stays() -> None:
    record = demoted(FIRST, command_id="demote", reason="maintenance")
    assert Gate("east", "east", record).epoch is None
    assert valid(Answer(10**13).headers, 0, record)
    ownerships = Ownerships()
    for each in (record, FIRST):
        ownerships.apply(copy_of(each, key="east"))
    assert content(ownerships.current("east")) == content(record)
    assert content(FIRST)["command_id"] == "up", "what is given is not changed"


@pytest.mark.parametrize(
    ("current", "region", "standby", "says"),
    [
        (FIRST, "west", READY, []),
        (DRAINING, "west", replace(READY, owner_alive=True), []),
        (DRAINING, "east", READY, []),
        (None, "west", READY, ["no valid record"]),
        (FIRST, "east", READY, ["east owns east already"]),
        (FIRST, "west", replace(READY, owner_alive=True), ["east is alive and owns east"]),
        (FIRST, "west", replace(READY, lag=101), ["101 records"]),
        (FIRST, "west", replace(READY, unread=["east.recommendations"]), ["east.recommendations"]),
        (
            DRAINING,
            "west",
            replace(READY, owner_alive=True, undrained={0: 3, 1: 0}),
            ["3 records of partition 0"],
        ),
        (DRAINING, "west", replace(READY, undrained={0: 3}), []),
        (
            FIRST,
            "west",
            replace(READY, owner_alive=True, lag=101, unread=["x"]),
            ["x could not", "alive", "101"],
        ),
    ],
)
def test_why_not_promote(
    current: Ownership | None, region: str, standby: Standby, says: list[str]
) -> None:
    _says(why_not_promote(current, region, standby), says)


@pytest.mark.parametrize(
    ("current", "region", "says"),
    [
        (FIRST, "east", []),
        (None, "east", ["no valid record"]),
        (FIRST, "west", ["west does not own east"]),
        (DRAINING, "east", ["drains east already"]),
    ],
)
def test_why_not_demote(current: Ownership | None, region: str, says: list[str]) -> None:
    _says(why_not_demote(current, region), says)


BACK = replace(READY, owner_alive=True, peer_epoch=33)


@pytest.mark.parametrize(
    ("current", "standby", "says"),
    [
        (EAST_2, BACK, []),
        (None, BACK, ["no valid record"]),
        (FIRST, replace(BACK, peer_epoch=16), ["owns east already"]),
        (EAST_2, replace(BACK, peer_epoch=None), ["cannot be asked"]),
        (EAST_2, replace(BACK, peer_epoch=16), ["knows epoch 16, this one 33"]),
        (EAST_2, replace(BACK, lag=101), ["101 records"]),
        (EAST_2, replace(BACK, users_differing=None), ["no full rotation"]),
        (EAST_2, replace(BACK, users_differing=2), ["2 users differ"]),
        (EAST_2, replace(BACK, unread=["west.recommendations"]), ["west.recommendations"]),
    ],
)
def test_why_not_fail_back(current: Ownership | None, standby: Standby, says: list[str]) -> None:
    _says(why_not_fail_back(current, "east", standby), says)


def test_foretold_is_what_was_not_mirrored_and_what_came_since() -> None:
    assert foretold({0: 100, 1: 50, 2: 7}, {0: 90, 1: 60}, {0: 10.0, 1: 1.5}, 0.5) == {
        0: 15,
        1: 1,
        2: 7,
    }


@given(st.integers(0, 1000), st.integers(0, 1000), st.floats(0, 1000), st.floats(0, 10))
def test_what_is_foretold_is_at_or_above_a_loss_at_that_rate(
    end: int, behind: int, rate: float, age_s: float
) -> None:
    lost = max(0, end - behind) + rate * age_s
    assert foretold({0: end}, {0: behind}, {0: rate}, age_s)[0] >= lost


def _says(reasons: list[str], says: list[str]) -> None:
    assert len(reasons) == len(says), reasons
    for reason, words in zip(reasons, says, strict=True):
        assert words in reason
