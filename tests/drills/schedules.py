"""Two regions on paper: random schedules of failures, played by the real rules (tests/simulator).

Needs no server; here because so many take long. `test_simulator.py` plays the first of them, and
the rules that are wrong on purpose.
"""

from tests.drills.check.findings import Findings, Report, report
from tests.drills.harness.scene import Ground
from tests.simulator.play import first_failure

SHORT = {"schedules": 2_000}


def run(_ground: Ground, *, schedules: int = 200_000, first: int = 0) -> Report:
    findings = Findings()
    failure = first_failure(range(first, first + schedules))
    played = schedules if failure is None else failure.seed - first + 1
    findings.looked("schedules", played)
    if failure is not None:
        findings.add("schedules that break a promise", str(failure))
    return report("schedules", findings, {"schedules": played})
