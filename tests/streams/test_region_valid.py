"""Which answers count, and which region may give one."""

import pytest

from schemas.control import Ownership
from schemas.recommendations import AnswerHeaders, CauseKey
from streams.region.gate import Gate
from streams.region.valid import valid
from tests.streams.valid_cases import CASES, DRAINING, EAST_2, FIRST, Case


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_valid(case: Case) -> None:
    headers = AnswerHeaders(
        origin=case.origin,
        epoch=case.epoch,
        cause=CauseKey(appended_at_ms=case.cause_ms, event_id="e", surface="main"),
        answered_before_ms=0,
    )
    assert valid(headers, case.partition, case.ownership) is case.valid


@pytest.mark.parametrize(
    ("region", "origin", "ownership", "epoch", "says"),
    [
        ("east", "east", FIRST, 16, "east owns"),
        ("west", "east", FIRST, None, "east owns"),
        ("east", "east", DRAINING, None, "drains"),
        ("west", "east", DRAINING, None, "east owns"),
        ("west", "east", EAST_2, 33, "west owns"),
        ("east", "east", EAST_2, None, "west owns"),
        ("east", "east", None, None, "no valid record"),
        ("east", "west", FIRST, None, "no valid record"),
    ],
)
def test_gate(
    region: str, origin: str, ownership: Ownership | None, epoch: int | None, says: str
) -> None:
    found = Gate(region, origin, ownership)
    assert found.epoch == epoch
    assert says in found.reason


@pytest.mark.parametrize("ownership", [FIRST, DRAINING, EAST_2])
def test_at_most_one_region_publishes(ownership: Ownership) -> None:
    open_gates = [r for r in ("east", "west", "north") if Gate(r, "east", ownership).epoch]
    assert len(open_gates) <= 1
