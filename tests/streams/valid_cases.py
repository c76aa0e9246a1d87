"""What *valid* must say, as data: read by the test of the pure function, and by any other form of
the rule (the archive's views).
"""

from typing import NamedTuple

from schemas.control import Ownership, PastEpoch

EAST_2 = Ownership(
    origin="east",
    epoch=33,
    owner="west",
    past=[
        PastEpoch(epoch=16, owner="east", fences={0: 1_000, 1: 2_000}),
        PastEpoch(epoch=24, owner="east", fences={0: 3_000}),
    ],
    command_id="promote-1",
)
FIRST = Ownership(origin="east", epoch=16, owner="east", command_id="up")
DRAINING = Ownership(origin="east", epoch=16, owner="east", draining=True, command_id="demote")


class Case(NamedTuple):
    """An answer of `origin` in `partition`, and whether it is valid under `ownership`."""

    name: str
    ownership: Ownership | None
    origin: str
    epoch: int
    partition: int
    cause_ms: int
    valid: bool


CASES = (
    Case("no record", None, "east", 16, 0, 1, valid=False),
    Case("current epoch", FIRST, "east", 16, 0, 10**13, valid=True),
    Case("current epoch while draining", DRAINING, "east", 16, 5, 10**13, valid=True),
    Case("current epoch after a promotion", EAST_2, "east", 33, 7, 1, valid=True),
    Case("past epoch before its fence", EAST_2, "east", 16, 0, 999, valid=True),
    Case("past epoch at its fence", EAST_2, "east", 16, 0, 1_000, valid=True),
    Case("past epoch after its fence", EAST_2, "east", 16, 0, 1_001, valid=False),
    Case("fences are per partition", EAST_2, "east", 16, 1, 1_001, valid=True),
    Case("fences are per epoch", EAST_2, "east", 24, 0, 1_001, valid=True),
    Case("past epoch, partition without a fence", EAST_2, "east", 24, 1, 1, valid=False),
    Case("epoch between that was never listed", EAST_2, "east", 17, 0, 1, valid=False),
    Case("epoch that is yet to come", EAST_2, "east", 49, 0, 1, valid=False),
    Case("epoch 0", FIRST, "east", 0, 0, 1, valid=False),
    Case("another origin's answer", FIRST, "west", 16, 0, 1, valid=False),
)
