"""How long partitions are silent when workers join, die, leave and are restarted one by one.

Measured at a read_committed reader under open-loop load: a partition that moves is silent until its
new worker has opened it; one that stays must not notice.
"""

import re
import time
from collections.abc import Callable

from tests.drills.check.findings import Findings, Report, report
from tests.drills.harness.crew import Crew, Member
from tests.drills.harness.load import Mixture
from tests.drills.harness.scene import Ground, Scene
from tests.drills.harness.silence import Silence
from tests.drills.harness.waiting import until

SHORT = {"rate": 200.0, "users": 500, "partitions": 4, "steady_s": 2.0, "bars": False}
KEPT_BAR_S = 0.5
ROLLING_BAR_S = 10.0
_MOVED = re.compile(r"streams\.lane\.lane: (?:assigned|.* is given up|.* is open after).*")
_SLOT = re.compile(r"user-events-(\d+)")


def run(
    ground: Ground,
    *,
    rate: float = 1_000.0,
    users: int = 5_000,
    partitions: int = 8,
    steady_s: float = 10.0,
    session_ms: int = 6_000,
    bars: bool = True,
) -> Report:
    """Not `bars`: the figures are told and not judged, where other work is on the machine."""
    findings, figures = Findings(), {}
    for membership in ("dynamic", "static"):
        with ground.scene(partitions=partitions) as scene:
            scene.load(rate, Mixture(users=users, poison=0.0, misplaced=0.0))
            crew = scene.crew(session_timeout_ms=session_ms, flush_s=10.0)
            play = _Play(scene, crew, membership, steady_s)
            try:
                figures[membership] = play.all_()
            finally:
                play.silence.close()
            findings.take(scene.verdict())
    if bars:
        _judge(figures, findings)
    return report("rebalance", findings, figures)


class _Play:
    def __init__(self, scene: Scene, crew: Crew, membership: str, steady_s: float) -> None:
        self._scene, self._crew, self._steady_s = scene, crew, steady_s
        self._static = membership == "static"
        self.silence = Silence(scene.bootstrap, scene.partitions)

    def all_(self) -> dict[str, object]:
        first, second = self._join(), self._join()
        self._flows()
        figures: dict[str, object] = {"steady": self._phase(lambda: None)}
        figures["a third joins"] = self._phase(self._join)
        figures["one is killed"] = self._phase(lambda: self._crew.kill(second, again=False))
        self._crew.start(second)
        self._settled()
        figures["one leaves"] = self._phase(lambda: self._crew.leave(first))
        self._crew.start(first)
        self._settled()
        figures["rolling restart"] = self._phase(self._roll)
        return figures

    def _join(self) -> Member:
        name = {"instance": f"worker-{len(self._crew.members)}"} if self._static else {}
        (member,) = self._crew.add(1, **name)
        until("it is a member", lambda: member.has_joined)
        return member

    def _roll(self) -> None:
        for member in self._crew.living():
            self._crew.leave(member)
            self._crew.start(member)
            until("it is a member again", lambda m=member: m.has_joined)
            self._flows()

    def _phase(self, act: Callable[[], object]) -> dict[str, object]:
        """What happens while `act` is done, until all partitions flow and for a while longer."""
        lines = {member: len(member.log_text()) for member in self._crew.members}
        begin = time.monotonic()
        act()
        self._settled()
        end = time.monotonic()
        moved: set[int] = set()
        for member in self._crew.members:
            for line in _MOVED.findall(member.log_text()[lines.get(member, 0) :]):
                moved |= {int(number) for number in _SLOT.findall(line)}
        kept = set(range(self._scene.partitions)) - moved
        silent = self.silence.longest_s(range(self._scene.partitions), begin, end)
        return {
            "moved_partitions": len(moved),
            "kept_partitions": len(kept),
            "longest_silence_moved_s": round(max((silent[n] for n in moved), default=0.0), 2),
            "longest_silence_kept_s": round(max((silent[n] for n in kept), default=0.0), 2),
        }

    def _settled(self) -> None:
        """The group has come to rest, and a steady time passed behind it."""
        quiet_at, seen = time.monotonic(), -1
        while time.monotonic() - quiet_at < self._steady_s:
            changes = sum(len(_MOVED.findall(m.log_text())) for m in self._crew.members)
            if changes != seen:
                seen, quiet_at = changes, time.monotonic()
            self._flows()

    def _flows(self) -> None:
        since = time.monotonic()
        until("every partition flows", lambda: self.silence.is_flowing(since))


def _judge(figures: dict[str, dict[str, dict[str, float]]], findings: Findings) -> None:
    for membership, phases in figures.items():
        for phase, found in phases.items():
            where = f"{membership}, {phase}"
            kept_s, moved_s = found["longest_silence_kept_s"], found["longest_silence_moved_s"]
            if kept_s > KEPT_BAR_S:
                findings.add("kept partitions silent for too long", f"{where}: {kept_s} s")
            if phase == "rolling restart" and moved_s > ROLLING_BAR_S:
                findings.add("restarts that silenced for too long", f"{where}: {moved_s} s")
