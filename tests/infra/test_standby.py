"""What speaks against a region that is to take an origin over."""

from pathlib import Path

import pytest

from infra.standby import Partition, reasons
from schemas.control import Ownership
from tests.infra.command import NOWHERE, document, done

RECORD = Ownership(origin="east", epoch=16, owner="east", command_id="test")


def partition(number: int, behind: int) -> Partition:
    return Partition(partition=number, applied=5, end=5 + behind, behind=behind)


def said(
    record: Ownership | None = RECORD,
    behind: tuple[int, ...] = (0, 3),
    heard_s: float | None = 1.0,
    *,
    is_mirrored: bool = True,
) -> str:
    partitions = [partition(number, records) for number, records in enumerate(behind)]
    return "; ".join(reasons(record, partitions, heard_s, is_mirrored=is_mirrored))


def test_a_standby_that_has_folded_and_hears_its_peer_is_ready() -> None:
    assert not said()
    assert not said(heard_s=None, is_mirrored=False), "a region hears itself"


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"record": None}, "no valid record says who owns it"),
        ({"heard_s": None}, "the mirror has brought no heartbeat"),
        ({"heard_s": 31.4}, "the mirror has brought no heartbeat for 31 s"),
        (
            {"behind": (0, 1_500, 9_000)},
            "2 of 3 partitions are behind, partition 2 by 9000 records",
        ),
    ],
)
def test_one_that_is_not_says_why(given: dict[str, object], reason: str) -> None:
    assert said(**given) == reason


def test_every_reason_is_told() -> None:
    assert said(None, (5_000,), None).count(";") == 2


def test_a_region_that_does_not_answer_is_told_as_such(tmp_path: Path) -> None:
    (found,) = document(tmp_path, "region", "status", **NOWHERE)
    assert (found["region"], found["origins"]) == ("east", [])
    assert "127.0.0.1:1 does not answer" in found["problem"]
    assert "region east does not answer" in done(tmp_path, "region", "status", **NOWHERE)
