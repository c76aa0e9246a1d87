"""A region that dies or freezes, another that takes its people over, and the way back: the steps of
which drills of two regions are made. What was found is in `figures`.
"""

import time
from collections.abc import Sequence
from contextlib import closing
from typing import Any

from infra import control
from infra.local import mirror
from schemas.topics import RECOMMENDATIONS
from tests.drills.check import answers, logs
from tests.drills.check.findings import Findings
from tests.drills.check.logs import Logs
from tests.drills.check.owners import counts
from tests.drills.harness import tail
from tests.drills.harness.commands import region_command, until_done
from tests.drills.harness.load import Load
from tests.drills.harness.prober import Prober
from tests.drills.harness.region import Region
from tests.drills.harness.regions import ITEMS
from tests.drills.harness.tail import Lost
from tests.drills.harness.twins import Twins
from tests.drills.harness.two import Two
from tests.drills.harness.waiting import until
from tests.drills.harness.watch import Watch

_TWINS = 5.0
"""A second."""


class Failing:
    """`rate` is of the east's people, the west has a quarter. `full`: with models
    and archives. `watched`: curves for a picture.
    """

    def __init__(
        self,
        two: Two,
        rate: float,
        users: int,
        *,
        full: bool = False,
        watched: bool = False,
    ) -> None:
        self.two, self.rate, self._users, self._full = two, rate, users, full
        two.begin()
        if full:
            for region in two.regions.values():
                region.crew(1, "archive")
        self._probers = {name: Prober(region) for name, region in two.regions.items()}
        self.watch = Watch(two.regions, two.apps, two.acked, looks=watched)
        self.figures: dict[str, Any] = {"took_over": [], "failback": []}
        two.twins = Twins(two.regions, _TWINS, ITEMS)
        self.east, self.west = two.regions.values()
        self.loads = {
            self.east.name: self.people(self.east, self.east, rate),
            self.west.name: self.people(self.west, self.west, rate / 4),
        }
        """Whose people -> what they send with now."""
        two.twins.start()
        until("the probers know a rate", lambda: all(p.is_sure for p in self._probers.values()))
        self.everybody_is_served(self.east, time.monotonic())
        self.everybody_is_served(self.west, time.monotonic())

    def close(self) -> None:
        for prober in self._probers.values():
            prober.stop()
        self.watch.stop()

    def people(self, of: Region, to: Region, rate: float, before: Load | None = None) -> Load:
        """Of one region, who send to this one."""
        return self.two.load(to, rate, f"{of.name}-", users=self._users, before=before)

    def move(self, of: Region, to: Region) -> None:
        """The people of a region send to this one from now on; in good order if they still send."""
        before = self.loads[of.name]
        if before.is_alive():
            before.finish()
        self.loads[of.name] = self.people(of, to, before.rate, before)

    def everybody_is_served(self, of: Region, since_s: float, *readers: str) -> None:
        """The people of a region have slates of every partition at these readers; both if none."""
        every, prefix = set(range(self.two.partitions)), f"{of.name}-"
        for name in readers or self.two.apps:
            app = self.two.apps[name]
            until(
                f"slates of every partition of {of.name} at the reader in {name}",
                lambda app=app: every <= {one.partition for one in app.since(since_s, prefix)},
            )

    def fail(self, victim: Region, *, frozen: bool = False) -> list[Lost]:
        """It dies, or sleeps, all of it and without warning; its people know of nothing."""
        two, survivor = self.two, self.two.regions[victim.peer]
        two.twins.away()
        two.apps[victim.name].stop()
        self.watch.mark(f"{victim.name} {'freezes' if frozen else 'dies'}")
        died_s = victim.freeze() if frozen else victim.die()  # until then it may have acknowledged
        people = self._sending_to(victim)
        for load in people:
            load.abandon()
        tail.settled(survivor)
        foretold = self._probers[victim.name].foretell(survivor, died_s)
        lost = tail.lost(two, survivor, people)
        self.figures |= {
            "rpo_foretold": foretold.records,
            "rpo_found": tail.found(lost, two.partitions),
            "rpo_foretold_by": foretold,
            "lost_for_a_while": [f"{one.partition}:{one.event_id}" for one in lost],
            "sent_again_elsewhere": sum(len(load.unsure) for load in people),
        }
        return lost

    def take_over(self, taker: Region, *origins: str) -> int:
        """Promote, and move who sent to the dead region when the command says it is done; the epoch
        of the last.
        """
        of = self.two.regions[taker.peer]
        began_s = self.watch.mark("promote")
        made = [region_command(taker, "promote", origin) for origin in origins]
        self.watch.mark(f"{taker.name} owns")
        for name, load in self.loads.items():
            if load.bootstrap == of.bootstrap:
                self.move(self.two.regions[name], taker)
        self.everybody_is_served(of, began_s, taker.name)
        first: dict[int, float] = {}
        for one in self.two.apps[taker.name].since(began_s, f"{of.name}-"):
            first.setdefault(one.partition, round(one.at_s - began_s, 2))
        told = ("origin", "epoch", "ended_epoch", "fences", "seconds", "peer")
        self.figures["took_over"] += [{name: one[name] for name in told} for one in made]
        self.figures["rto_s"] = dict(sorted(first.items()))
        epoch: int = made[-1]["epoch"]
        return epoch

    def come_back(
        self, region: Region, epoch: int, lost: Sequence[Lost], *, frozen: bool = False
    ) -> None:
        """Somebody else owns its origin at this epoch, and it knows nothing: nobody tells it before
        its mirror runs, and some of its people still send to it. Ends when it is fenced.
        """
        two, survivor = self.two, self.two.regions[region.peer]
        stuck = self.people(region, region, self.rate / 4)
        others = [name for name in region.servers if name != mirror.NAME]
        back_s = self.watch.mark(f"{region.name} returns")
        if frozen:
            region.thaw(mirror.NAME)
        else:
            region.start(*others)
            self._bring_model_back(region)
            region.start_workers()
        two.apps[region.name].start()
        # Whatever it answers before its mirror runs is of its old epoch.
        before = _answers(region)
        until("it answers at its old epoch", lambda: _answers(region) > before)
        (region.resume if frozen else region.start)(mirror.NAME)
        self.fenced(region, epoch, back_s)
        stuck.finish()
        until("the tail is here", lambda: tail.is_here(two, survivor, lost))
        two.twins.back()

    def fenced(self, region: Region, epoch: int, back_s: float) -> None:
        """Returns when it knows that somebody else owns its people at this epoch, and its reader,
        too; it was `back_s` that it could hear of that.
        """
        until(
            "it hears who owns its people",
            lambda: control.ownerships(region.settings).origins[region.name].epoch == epoch,
        )
        fenced_s = self.watch.mark(f"{region.name} is fenced")
        app = self.two.apps[region.name]
        until(
            "its reader has slates of the new epoch",
            lambda: any(one.epoch == epoch for one in app.since(fenced_s)),
        )
        self.two.knows_since_s[region.name] = time.monotonic()
        self.figures["fenced_after_s"] = round(fenced_s - back_s, 1)
        self.figures["answers_at_an_ended_epoch"] = self._ended_answers(region)

    def fail_back(self, region: Region) -> None:
        """It takes its people back, as soon as it may; they move when the command is done."""
        asked_s = self.watch.mark("failback")
        made, refusals = until_done(region, "failback", region.name)
        done_s = self.watch.mark(f"{region.name} owns again")
        self.move(region, region)
        self.everybody_is_served(region, done_s, region.name)
        app, begin_s = self.two.apps[region.name], done_s - made["seconds"]
        self.figures["failback"] = {
            "epoch": made["epoch"],
            "seconds": round(made["seconds"], 2),
            "asked_for_s": round(done_s - asked_s, 2),
            "refusals": refusals,
            "silent_s": app.silent_s(
                self.two.partitions, begin_s, time.monotonic(), f"{region.name}-"
            ),
        }

    def judge(self, findings: Findings) -> None:
        """What was foretold, and that the fence was tried."""
        self.judge_tail(findings)
        findings.looked("answers at an ended epoch", self.figures["answers_at_an_ended_epoch"])

    def judge_tail(self, findings: Findings) -> None:
        for partition, records in self.figures["rpo_found"].items():
            if records > self.figures["rpo_foretold"].get(partition, 0):
                findings.add("more lost than foretold", f"{records} of partition {partition}")

    def _sending_to(self, region: Region) -> list[Load]:
        return [load for load in self.loads.values() if load.bootstrap == region.bootstrap]

    def _ended_answers(self, region: Region) -> int:
        """Of the region's own worker, that do not count by what its peer says."""
        holds = self.two.owners(self.two.regions[region.peer])
        with closing(Logs(region.bootstrap)) as kept:
            return sum(
                not counts(answer, number, holds)
                for number in range(self.two.partitions)
                for answer in answers.read(kept, number, Findings())
            )

    def _bring_model_back(self, region: Region) -> None:
        if self._full:
            # Torch comes with it, which is slow to import.
            from tests.drills.harness.models import bring_model_back  # noqa: PLC0415

            bring_model_back(region)


def _answers(region: Region) -> int:
    """Where the region's own recommendations end, all partitions together."""
    admin = logs.administrator(region.bootstrap)
    ends = logs.ends(admin, RECOMMENDATIONS.name, region.settings.partitions)
    return sum(ends.values())
