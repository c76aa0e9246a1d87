"""A worker that is wrong on purpose in one of two regions: the verdict must find it."""

from tests.drills.check.findings import Findings, Report, report
from tests.drills.controls import LYING
from tests.drills.harness.scene import Ground
from tests.drills.harness.waiting import until

SHORT = {"rate": 40.0, "users": 60, "partitions": 2, "answers": 200}
EXPECTED = {"ungated": {"repeated answers"}}
"""Lie -> what it must be found by, one of these at least."""


def run(
    ground: Ground,
    *,
    rate: float = 100.0,
    users: int = 200,
    partitions: int = 4,
    answers: int = 1_000,
) -> Report:
    """A finding of this drill is a lie that was not found; `answers`: slates to wait for."""
    missed, caught = Findings(), {}
    for lie, kinds in EXPECTED.items():
        with ground.two(partitions=partitions) as two:
            two.regions["west"].given["drill_lie"] = lie
            two.begin(west=LYING)
            two.load(two.regions["east"], rate, "east-", users=users)
            until("enough went through", lambda two=two: len(two.apps["west"].given) > answers)
            findings = two.verdict()
        caught[lie] = dict(findings.counts)
        missed.looked("lies")
        if not kinds & findings.counts.keys():
            missed.add("lies that the checker did not find", f"{lie}: {findings}")
    return report("region_controls", missed, {"caught": caught})
