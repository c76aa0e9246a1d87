"""The frame of a drill of two regions: both work, something befalls them, and both are judged."""

from collections.abc import Callable, Mapping
from typing import Any

from tests.drills.check.findings import Findings, Report, report
from tests.drills.harness.failing import Failing
from tests.drills.harness.scene import Ground

Story = Callable[[Failing, Findings], Mapping[str, Any]]
"""What befalls them; the figures of it."""


def played(
    drill: str,
    ground: Ground,
    story: Story,
    *,
    rate: float,
    users: int,
    partitions: int,
    broker: Mapping[str, str] | None = None,
    full: bool = False,
) -> Report:
    """`broker`: settings of both brokers; `full`: with models and archives."""
    with ground.two(partitions=partitions, broker=broker, full=full) as two:
        play, findings = Failing(two, rate, users, full=full), Findings()
        try:
            told = story(play, findings)
        finally:
            play.close()
        findings.take(two.verdict())
        return report(drill, findings, {**told, **two.figures, "events": two.acked()})
