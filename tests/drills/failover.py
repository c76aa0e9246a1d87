"""The region that owns the users is killed without warning, the other takes over by the real
command, people go on; the dead region returns, is fenced, catches up and takes its users back.

Everything is real: two brokers, two MirrorMakers, workers, in the long form ClickHouse and a Triton
in each region. What the people of both apps were given is judged against what both logs say.
"""

import time
from contextlib import closing
from pathlib import Path
from typing import Any

from infra import control
from infra.local import mirror
from schemas.topics import RECOMMENDATIONS
from tests.drills.check import answers
from tests.drills.check.findings import Findings, Report, report
from tests.drills.check.logs import Logs
from tests.drills.check.owners import counts
from tests.drills.failover_table import failover_table
from tests.drills.harness import tail
from tests.drills.harness.commands import region_command, until_done
from tests.drills.harness.load import Load, Mixture
from tests.drills.harness.prober import Prober
from tests.drills.harness.regions import ITEMS
from tests.drills.harness.scene import Ground
from tests.drills.harness.tail import Lost
from tests.drills.harness.twins import Twins
from tests.drills.harness.two import Two, silent_s
from tests.drills.harness.waiting import until
from tests.drills.harness.watch import Watch

SHORT = {
    "rate": 40.0, "users": 60, "partitions": 2, "steady_s": 3.0, "full": False, "bars": False,
    "picture": "",
}  # fmt: skip
RTO_BAR_S = 10.0
SILENT_BAR_S = 5.0
"""Of a planned switch."""
EAST, WEST = "east-", "west-"
_TWINS = 5.0
"""A second."""


def run(
    ground: Ground,
    *,
    rate: float = 200.0,
    users: int = 300,
    partitions: int = 8,
    steady_s: float = 20.0,
    full: bool = True,
    bars: bool = True,
    picture: str = "failover.png",
) -> Report:
    """`rate` is of the east's people, the west has a quarter; `steady_s` between two changes;
    `full`: with models and archives. Not `bars`: times are told and not judged, where other work
    is on the machine. `picture`: where it is drawn; empty: nowhere.
    """
    with ground.two(partitions=partitions, full=full) as two:
        play = _Play(two, rate, users, steady_s, full=full)
        try:
            play.all_()
            findings = two.verdict()
        finally:
            play.close()
        play.judge(findings, bars=bars)
        if picture:
            # matplotlib is slow to import, and tests need none.
            from tests.drills.picture import draw  # noqa: PLC0415

            draw(
                play.watch.curves, "A region dies, the other takes over, it returns", Path(picture)
            )
        figures = {
            **play.figures,
            **two.figures,
            "events": two.acked(),
            "curves": play.watch.curves,
        }
        return report("failover", findings, figures, failover_table(figures, findings))


class _Play:
    def __init__(self, two: Two, rate: float, users: int, steady_s: float, *, full: bool) -> None:
        self._two, self._rate, self._users = two, rate, users
        self._steady_s, self._full = steady_s, full
        self._east, self._west = two.regions.values()
        two.begin()
        if full:
            for region in two.regions.values():
                region.crew(1, "archive")
        self._prober = Prober(self._east)
        self.watch = Watch(two.regions, two.apps, two.acked)
        self.figures: dict[str, Any] = {}
        self._tail: list[Lost] = []
        two.twins = Twins(two.regions, _TWINS, ITEMS)

    def all_(self) -> None:
        people = self._people(self._east.name, self._rate)
        self._two.load(self._west, self._rate / 4, WEST, mixture=self._mixture(WEST))
        self._two.twins.start()
        until("the prober knows a rate", lambda: self._prober.is_sure)
        self._everybody_is_served(time.monotonic())
        time.sleep(self._steady_s)
        self._die(people)
        people = self._take_over(people)
        time.sleep(self._steady_s)
        self._return()
        people = self._fail_back(people)
        time.sleep(self._steady_s)
        self._everybody_is_served(time.monotonic())

    def close(self) -> None:
        self._prober.stop()
        self.watch.stop()

    def _mixture(self, prefix: str) -> Mixture:
        return Mixture(users=self._users, items=ITEMS, prefix=prefix)

    def _people(self, region: str, rate: float, before: Load | None = None) -> Load:
        """The east's, who send to this region now."""
        return self._two.load(
            self._two.regions[region], rate, EAST, mixture=self._mixture(EAST), before=before
        )

    def _everybody_is_served(self, since_s: float, *readers: str) -> None:
        """The people of the east have slates of every partition at these readers; both if none."""
        every = set(range(self._two.partitions))
        for name in readers or self._two.apps:
            app = self._two.apps[name]
            until(
                f"slates of every partition at the reader in {name}",
                lambda app=app: every <= {one.partition for one in app.since(since_s, EAST)},
            )

    def _die(self, people: Load) -> None:
        self._two.twins.away()
        died_s = self.watch.mark("east dies")
        self._east.die()
        self._two.apps["east"].stop()
        people.abandon()
        tail.settled(self._west)
        foretold, age_s = self._prober.foretell(self._west, died_s)
        self._tail = tail.lost(self._two, self._west, [people])
        self.figures |= {
            "rpo_foretold": foretold,
            "rpo_found": tail.found(self._tail, self._two.partitions),
            "rpo_sample_age_s": round(age_s, 2),
            "lost_for_a_while": [f"{one.partition}:{one.event_id}" for one in self._tail],
            "sent_again_elsewhere": len(people.unsure),
        }

    def _take_over(self, people: Load) -> Load:
        began_s = self.watch.mark("promote")
        made = region_command(self._west, "promote", "east")
        self.watch.mark("west owns")
        self.figures["promote"] = {
            name: made[name] for name in ("epoch", "ended_epoch", "fences", "seconds", "peer")
        }
        moved = self._people("west", self._rate, people)
        self._everybody_is_served(began_s, "west")
        first: dict[int, float] = {}
        for one in self._two.apps["west"].since(began_s, EAST):
            first.setdefault(one.partition, round(one.at_s - began_s, 2))
        self.figures["rto_s"] = dict(sorted(first.items()))
        return moved

    def _return(self) -> None:
        """It knows nothing yet: nobody tells it before its mirror runs, and some of its people
        still send to it.
        """
        returned_s = self.watch.mark("east returns")
        self._east.start(*(name for name in self._east.servers if name != mirror.NAME))
        if self._full:
            from tests.drills.harness.models import bring_model_back  # noqa: PLC0415

            bring_model_back(self._east)
        self._two.apps["east"].start()
        self._east.start_workers()
        stuck = self._people("east", self._rate / 4)
        until("it answers at its old epoch", lambda: self._ended_answers() > 0)
        epoch = self.figures["promote"]["epoch"]
        self._east.start(mirror.NAME)
        until(
            "it hears who owns its people",
            lambda: control.ownerships(self._east.settings).origins["east"].epoch == epoch,
        )
        heard_s = self.watch.mark("east is fenced")
        stuck.finish()
        until(
            "the reader in the east has slates of the new epoch",
            lambda: any(one.epoch == epoch for one in self._two.apps["east"].since(heard_s)),
        )
        self._two.knows_since_s["east"] = time.monotonic()
        until("the tail is here", lambda: tail.is_here(self._two, self._west, self._tail))
        self.figures["fenced_after_s"] = round(heard_s - returned_s, 1)
        self.figures["answers_at_an_ended_epoch"] = self._ended_answers()
        self._two.twins.back()

    def _ended_answers(self) -> int:
        """Of the east's worker, that do not count by what the west says."""
        holds = self._two.owners(self._west)
        with closing(Logs(self._east.bootstrap)) as logs:
            return sum(
                not counts(answer, number, holds)
                for number in range(self._two.partitions)
                for answer in answers.read(logs, number, Findings(), RECOMMENDATIONS.name)
            )

    def _fail_back(self, people: Load) -> Load:
        asked_s = self.watch.mark("failback")
        made, refusals = until_done(self._east, "failback", "east")
        done_s = self.watch.mark("east owns again")
        people.finish()
        moved = self._people("east", self._rate)
        self._everybody_is_served(done_s, "east")
        app = self._two.apps["east"]
        self.figures["failback"] = {
            "epoch": made["epoch"],
            "seconds": round(made["seconds"], 2),
            "asked_for_s": round(done_s - asked_s, 2),
            "refusals": refusals,
            "silent_s": silent_s(
                app, self._two.partitions, done_s - made["seconds"], time.monotonic(), EAST
            ),
        }
        return moved

    def judge(self, findings: Findings, *, bars: bool) -> None:
        figures = self.figures
        for partition, records in figures["rpo_found"].items():
            if records > figures["rpo_foretold"].get(partition, 0):
                findings.add("more lost than foretold", f"{records} of partition {partition}")
        findings.looked("answers at an ended epoch", figures["answers_at_an_ended_epoch"])
        if not bars:
            return
        for partition, seconds in figures["rto_s"].items():
            if seconds > RTO_BAR_S:
                findings.add("takeovers that took too long", f"{partition}: {seconds} s")
        if figures["failback"]["silent_s"] > SILENT_BAR_S:
            findings.add("partitions silent for too long", str(figures["failback"]))
