"""Two regions with people in them: workers, readers, load that can move, the verdict on both."""

import logging
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field

from infra.lag import behind
from schemas.topics import RECOMMENDATIONS, REGION_OWNERSHIP, STATE_DIGESTS, USER_EVENTS, Topic
from streams.topology import RECOMMEND, copies
from tests.drills.check.agreement import check_events, check_users, event_ids, state_hash
from tests.drills.check.checker import Checker
from tests.drills.check.findings import Findings
from tests.drills.check.inputs import Feed, Inputs
from tests.drills.check.logs import Logs
from tests.drills.check.mirrors import Counts, Side, check_mirror
from tests.drills.check.owners import Owners, owners
from tests.drills.check.readers import Asked, Given, asked, check_answers, check_reader, unanswered
from tests.drills.check.slates import check_slates
from tests.drills.harness.app import App
from tests.drills.harness.crew import PASSING, Member
from tests.drills.harness.load import Load, Mixture
from tests.drills.harness.network import Network
from tests.drills.harness.region import Region
from tests.drills.harness.regions import ITEMS, Regions
from tests.drills.harness.twins import Twins
from tests.drills.harness.waiting import until
from tests.servers.workers import WORKER

log = logging.getLogger(__name__)

_ANSWERED_S = 120.0
_NEAR = 200
"""Records."""
_MIRRORED = USER_EVENTS, RECOMMENDATIONS


@dataclass(eq=False)
class Two:
    regions: Regions
    partitions: int
    network: Network | None = None
    """Of the regions and of somebody outside, if each has a place of its own."""
    loads: list[Load] = field(default_factory=list)
    twins: Twins | None = None
    knows_since_s: dict[str, float] = field(default_factory=dict)
    """Region -> since when its reader must know who owns what now; otherwise from the start."""

    wiped: str = ""
    """A region whose own topics began anew: its peer has more of them than it has itself."""
    lost: set[str] = field(default_factory=set)
    """Events that a broker acknowledged and took with it."""
    unmirrored: dict[str, set[str]] = field(default_factory=dict)
    """Region -> events of its peer that its mirror never brought. Its logs do not tell all that it
    knows, and who plays the drill looks at its copy of the events himself.
    """

    alike_from_ms: int = 0
    """Users may differ before: one region lacked events of theirs until a join brought it their
    states.
    """

    allowed_exits: frozenset[int] = PASSING

    def __post_init__(self) -> None:
        self.apps = {name: App(region.settings) for name, region in self.regions.items()}
        self.inputs = {
            name: Inputs(
                self.partitions,
                (
                    Feed(USER_EVENTS.name, name),
                    Feed(region.copy_of(USER_EVENTS), region.peer),
                ),
            )
            for name, region in self.regions.items()
        }
        self.figures: dict[str, object] = {}

    def begin(self, **programs: Sequence[str]) -> None:
        """A worker in both, each partition open, and a reader in both. `programs`: what runs in a
        region instead of a worker that is right.
        """
        for name, region in self.regions.items():
            region.crew(0).add(1, program=programs.get(name, WORKER))
        for app in self.apps.values():
            app.start()
        for region in self.regions.values():
            self.opened(region)

    def opened(self, region: Region) -> None:
        """Returns when its workers' present processes have opened every partition."""
        members = [m for crew in region.crews if crew.stage == "recommend" for m in crew.members]
        until(
            f"{region.name} has opened every partition",
            lambda: sum(_opened(m) for m in members) >= self.partitions,
        )

    def load(
        self, region: Region, rate: float, prefix: str, *, users: int, before: Load | None = None
    ) -> Load:
        """People of this prefix, whose app sends to this region. Started."""
        made = Load(
            region.bootstrap,
            f"load{len(self.loads)}",
            rate,
            Mixture(users=users, items=ITEMS, prefix=prefix),
            seed=len(self.loads),
            partitions=self.partitions,
            before=before,
        )
        self.loads.append(made)
        made.start()
        return made

    def acked(self) -> int:
        return sum(load.acked for load in self.loads)

    def settle(self, deadline_s: float = 300.0) -> None:
        """Nobody sends any more, all has crossed, and the workers have nothing left to do."""
        for load in self.loads:
            if load.is_alive():
                load.finish()
        if self.twins is not None:
            self.twins.finish()
        for region in self.regions.values():
            self.folded(region, deadline_s)

    def folded(self, region: Region, deadline_s: float = 300.0) -> None:
        """Everything has crossed to this region, and it has processed all."""
        peer = self.regions[region.peer]
        if peer.name == self.wiped or region.name in self.unmirrored:
            until(
                f"events of {peer.name} have crossed",
                lambda: (
                    self.ids(peer, peer) - self.ids(region, peer)
                    <= self.unmirrored.get(region.name, set())
                ),
                deadline_s,
            )
        for topic in self._mirrored_to(region):
            source, copy = (Counts(side, self.partitions) for side in _sides(peer, region, topic))
            with closing(source), closing(copy):
                until(
                    f"{topic.name} of {peer.name} has crossed",
                    lambda source=source, copy=copy: copy.covers(source),
                    deadline_s,
                )
        until(
            f"{region.name} has processed all",
            lambda: behind(RECOMMEND, region.settings) == 0,
            deadline_s,
        )

    def nearly_folded(self, region: Region) -> None:
        """It has processed nearly all there is, though people go on sending."""
        until(
            f"{region.name} has caught up",
            lambda: behind(RECOMMEND, region.settings) < _NEAR,
        )

    def verdict(self, deadline_s: float = 300.0) -> Findings:
        """End everything, look at it from both sides."""
        log.info("nobody sends any more")
        self.settle(deadline_s)
        self.settle(deadline_s)  # what was forwarded by then has crossed, too
        until("every ask is answered", lambda: not self.unanswered(), _ANSWERED_S, strict=False)
        log.info("the logs of both regions are judged")
        findings = Findings()
        for name, region in self.regions.items():
            peer = self.regions[region.peer]
            for topic in self._mirrored_to(region) if peer.name != self.wiped else ():
                check_mirror(*_sides(peer, region, topic), self.partitions, findings)
            also = Asked() if self._tells_all(name) else self._asked(peer)
            with closing(Logs(region.bootstrap)) as logs:
                holds = self.owners(region)
                if name != self.wiped:  # what its people asked, only the peer's logs tell
                    self.figures[f"answers that do not count, in {name}"] = check_answers(
                        logs, self.inputs[name], holds, findings, also
                    )
                app = self.apps[name]
                if app.failed is not None or not app.is_running:
                    findings.add("readers that failed", f"{name}: {app.failed}")
                check_reader(
                    name, logs, self.inputs[name], app.given, holds, findings,
                    knows_since_s=self.knows_since_s.get(name, 0.0),
                    also_asked=also.every, also_given=self._also_given(name),
                )  # fmt: skip
        self._check_owners(findings)
        for name, region in self.regions.items():
            for load in self.loads:
                acked = {f"{load.name_}-{n}" for n, done in enumerate(load.acknowledged) if done}
                if name != self.wiped:
                    acked -= self.lost | self.unmirrored.get(name, set())
                    check_events(region.bootstrap, self.inputs[name], acked, findings)
        self._compare_slates(findings)
        west = self.regions["west"]
        topics = copies(STATE_DIGESTS, west.settings.peers)
        self.figures["users under traffic"] = check_users(
            west.bootstrap, topics, self.alike_from_ms, findings
        )
        self._check_states(findings)
        return findings

    def unanswered(self) -> int:
        """Asks without an answer at a reader, of both."""
        count = 0
        for name, region in self.regions.items():
            with closing(Logs(region.bootstrap)) as logs:
                given = [*self.apps[name].given, *self._also_given(name)]
                holds = self.owners(region)
                count += sum(1 for _ in unanswered(logs, self.inputs[name], given, holds))
        return count

    def _also_given(self, name: str) -> list[Given]:
        """A wiped region lost answers with its topic; its people had them, its peer has copies."""
        return self.apps[self.regions[name].peer].given if name == self.wiped else []

    def _asked(self, region: Region) -> Asked:
        with closing(Logs(region.bootstrap)) as logs:
            return asked(logs, self.inputs[region.name])

    def _tells_all(self, name: str) -> bool:
        """Whether all that a region's states hold lies in its logs, too."""
        return name != self.wiped and name not in self.unmirrored

    def _mirrored_to(self, region: Region) -> tuple[Topic, ...]:
        """Topics of which a region's copy is as its source."""
        return (RECOMMENDATIONS,) if region.name in self.unmirrored else _MIRRORED

    def ids(self, region: Region, origin: Region) -> set[str]:
        """Events of an origin that are in a region."""
        return event_ids(region.bootstrap, self.inputs[region.name], origin.name)

    def owners(self, region: Region) -> Owners:
        with closing(Logs(region.bootstrap)) as logs:
            return owners(logs, copies(REGION_OWNERSHIP, region.settings.peers))

    def _compare_slates(self, findings: Findings) -> None:
        found = check_slates(
            (region.bootstrap for region in self.regions.values()), self.partitions, findings
        )
        share = round(found.comparable / found.pairs, 3) if found.pairs else None
        self.figures["slates"] = {**found._asdict(), "comparable_share": share}

    def _check_owners(self, findings: Findings) -> None:
        one, other = (self.owners(region) for region in self.regions.values())
        if one != other:
            findings.add("regions that know different owners", f"{one} and {other}")

    def _check_states(self, findings: Findings) -> None:
        """Stops the workers; what they leave is what the logs say, and in both the same bytes."""
        hashes = {}
        for name, region in self.regions.items():
            for crew in region.crews:
                wrong = [f"{name}: {code}" for code in crew.stop() if code != 0]
                findings.add_all("graceful stops that failed", wrong)
                findings.add_all("workers that gave up", crew.unexpected(self.allowed_exits))
            dirs = {
                d for crew in region.crews if crew.stage == "recommend" for d in crew.state_dirs
            }
            if self._tells_all(name):
                checker = Checker(region.bootstrap, self.inputs[name])
                findings.take(checker.check_stopped(dirs))
            hashes[name] = state_hash(region.bootstrap, self.partitions)
        findings.looked("whole states", len(hashes))
        if len(set(hashes.values())) > 1:
            findings.add("whole states that differ", str(hashes))
        self.figures["state_hash"] = hashes

    def close(self) -> None:
        for load in self.loads:
            load.abandon()
        for app in self.apps.values():
            app.stop()


def _opened(member: Member) -> int:
    worker = member.worker
    if not worker.log.exists():
        return 0
    return worker.log.read_bytes()[worker.log_start :].count(b"is open after")


def _sides(source: Region, target: Region, topic: Topic) -> tuple[Side, Side]:
    return Side(source.bootstrap, topic.name), Side(target.bootstrap, target.copy_of(topic))
