"""Load for long with a fault a minute: memory stays flat, lag stays bounded, nothing is wrong."""

import random
import statistics
import threading
import time
from contextlib import closing

from tests.drills.check.findings import Findings, Report, report
from tests.drills.harness.crew import Crew, Member
from tests.drills.harness.load import Mixture
from tests.drills.harness.scene import Ground, Scene
from tests.drills.harness.waiting import until

SHORT = {"minutes": 0.5, "rate": 200.0, "users": 200, "every_s": 10.0}
_SAMPLE_S = 2.0
_GROWTH = 1.15
"""Of the undisturbed worker, last quarter against second: allocators never quite settle."""
_LAG_S = 60.0
"""Of load, that may wait at the most: a broker that was killed reads its logs for up to half a
minute before it serves, and then every partition is opened anew.
"""
_CAUGHT_UP_S = 5.0
"""Of load, to which the lag comes back behind every fault before the next."""
_LONG_MIN = 5.0
_FAULTS = ("kill", "wipe", "sleep", "leave", "broker")


def run(
    ground: Ground,
    *,
    minutes: float = 20.0,
    rate: float = 5_000.0,
    users: int = 15_000,
    every_s: float = 60.0,
    partitions: int = 4,
) -> Report:
    """`users` are so few that their states, which grow to some sixty events, are full in the first
    quarter: what grows behind it is no state.
    """
    is_long = minutes >= _LONG_MIN
    # A small broker that was killed under this load clears its memory more than it works.
    with ground.scene(partitions=partitions, as_shipped=is_long) as scene:
        load = scene.load(rate, Mixture(users=users))
        # The first is never harmed itself: its memory tells of leaks.
        crew = scene.crew(3, session_timeout_ms=6_000, flush_s=10.0, hot_mb=128)
        until("the first slates", lambda: scene.progress.answered() > 0)
        with closing(_Watch(scene, crew.members[0])) as watch:
            done = _faults(scene, crew, minutes * 60, every_s, watch)
        scene.checker.watched_share = min(1.0, 60_000 / max(1, load.sent))
        findings = scene.verdict(deadline_s=1_800.0)
        if is_long:
            watch.judge(rate, findings)
        figures = {
            "minutes": minutes,
            "events": load.sent,
            "faults": done,
            "exits": {str(code): times for code, times in crew.exit_codes().items()},
            "lag_most_records": max(watch.lags),
            "lag_median_records": int(statistics.median(watch.lags)),
            "lag_least_behind_each_fault": watch.least,
            "mb_by_quarter": watch.mb_by_quarter(),
            "peak_mb": round(crew.peak_mb),
        }
        return report("soak", findings, figures)


def _faults(
    scene: Scene, crew: Crew, seconds: float, every_s: float, watch: "_Watch"
) -> dict[str, int]:
    random_, done = random.Random(5), dict.fromkeys(_FAULTS, 0)
    ends = time.monotonic() + seconds
    while time.monotonic() + every_s < ends:
        next_at = time.monotonic() + every_s
        kind = _FAULTS[sum(done.values()) % len(_FAULTS)]
        _fault(scene, crew, random_.choice(crew.members[1:]), kind)
        done[kind] += 1
        while time.monotonic() < next_at:
            time.sleep(0.2)
        watch.next_fault()
    return done


def _fault(scene: Scene, crew: Crew, victim: Member, kind: str) -> None:
    if kind in ("kill", "wipe"):
        crew.kill(victim, wipe=kind == "wipe")
    elif kind == "sleep":
        crew.pause(victim)
        scene.progress.wait_for_every_partition()
        crew.resume(victim)
    elif kind == "leave":
        until("it is a member", lambda: victim.has_joined)
        crew.leave(victim)
        crew.start(victim)
    else:
        (broker,) = scene.cluster.brokers
        broker.kill()
        broker.start()


class _Watch:
    """Samples the lag and one worker's memory."""

    def __init__(self, scene: Scene, worker: Member) -> None:
        self._scene, self._worker = scene, worker
        self.lags: list[int] = [0]
        self.least: list[int] = []
        """Between each fault and the next."""
        self._begin = 0
        self._mb: list[float] = []
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._sample, name="watch", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._ending.set()
        self._thread.join()

    def next_fault(self) -> None:
        self.least.append(min(self.lags[self._begin :], default=0))
        self._begin = len(self.lags)

    def mb_by_quarter(self) -> list[int]:
        size = max(1, len(self._mb) // 4)
        quarters = [self._mb[at : at + size] for at in range(0, 4 * size, size)]
        return [round(statistics.median(quarter)) for quarter in quarters if quarter]

    def judge(self, rate: float, findings: Findings) -> None:
        quarters = self.mb_by_quarter()
        if quarters[-1] > _GROWTH * quarters[1]:
            findings.add("memory that grows", f"MB by quarter: {quarters}")
        if max(self.lags) > _LAG_S * rate:
            findings.add("lag without bound", f"{max(self.lags)} records at {rate:.0f}/s")
        for number, least in enumerate(self.least, 1):
            if least > _CAUGHT_UP_S * rate:
                findings.add("lag that stays", f"{least} records behind fault {number}")

    def _sample(self) -> None:
        while not self._ending.wait(_SAMPLE_S):
            self._mb.append(self._worker.rss_mb())
            lag = self._scene.progress.lag()
            if lag is not None:
                self.lags.append(lag)
