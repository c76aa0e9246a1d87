"""Two regions in which a schedule happens, step by step, and the healing after it.

Everything that decides is the real function (rules.py); what is left is where records lie and when
they are seen. What must hold afterwards: properties.py.
"""

from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from schemas.codec import encode
from schemas.control import Ownership
from schemas.identifiers import recommendation_id
from schemas.recommendations import AnswerHeaders
from schemas.topics import RECOMMENDATIONS, REGION_OWNERSHIP, USER_EVENTS
from streams.region.ownership import Ownerships, first_record
from streams.region.promotion import demoted, promoted
from streams.region.valid import valid
from tests.simulator.cluster import MIRRORED, Cluster, mirror
from tests.simulator.reader import Reader
from tests.simulator.rules import REAL, Rules
from tests.simulator.schedule import REGIONS, USERS, Step
from tests.simulator.worker import Worker, ownership_copies

START_MS = 1_700_000_000_000
_ALL = 10**9
_ROUNDS = 200
"""Of the healing; a handful are enough unless something goes round in circles."""

AnswerKey = tuple[str, str, int, int]
"""Recommendation id, origin, epoch, append time of the cause."""


class Ask(NamedTuple):
    """What an app sent and may expect a slate for."""

    user_id: str
    event_id: str
    appended_at_ms: int
    origin: str


class World:
    def __init__(self, rules: Rules = REAL) -> None:
        self._rules = rules
        self.now_ms = START_MS
        east, west = REGIONS
        self.clusters = {east: Cluster(east, west), west: Cluster(west, east)}
        for number, region in enumerate(REGIONS):
            record = first_record(region, number, Ownerships(), "up")
            assert record is not None
            self._own(self.clusters[region], record)
        self.workers = {region: self._worker(region) for region in REGIONS}
        self.readers = {region: Reader(cluster, rules) for region, cluster in self.clusters.items()}
        self.asks: list[Ask] = []
        self.committed: list[AnswerKey] = []
        self.answered_twice: list[AnswerKey] = []
        """Although whoever promoted that epoch's owner had seen a valid answer."""
        self._sent: dict[int, tuple[int, bytes]] = {}
        self._seen: dict[tuple[str, int], set[tuple[str, int]]] = {}

    def play(self, steps: Iterable[Step]) -> "World":
        for step in steps:
            self.step(step)
        self.heal()
        return self

    def step(self, step: Step) -> None:
        """Nothing happens in a dead region but that it comes back."""
        what, region, number = step
        cluster = self.clusters[region]
        if what == "pass":
            self.now_ms += number
        elif what == "revive":
            self._revive(cluster)
        elif what in ("cut", "heal"):
            cluster.is_cut = what == "cut"
        elif cluster.is_alive:
            self._live(what, cluster, number)

    def _live(self, what: str, cluster: Cluster, number: int) -> None:
        region = cluster.region
        match what.split("-"):
            case ["die"]:
                cluster.is_alive = False
            case ["clock"]:
                cluster.ahead_ms = number
            case ["send" | "again"]:
                self._send(cluster, number, again=what == "again")
            case ["mirror", topic]:
                mirror(self.clusters[cluster.peer], cluster, _MIRRORED[topic], number)
            case ["promote", *other]:
                self._promote(region, other[0] if other else "east")
            case ["demote", *other]:
                self._demote(region, other[0] if other else "east")
            case ["read" | "told" | "restart"]:
                self._read(self.readers[region], what, number)
            case _:
                self._work(region, what, number)

    def heal(self) -> None:
        """Everybody is back and hears everything, until nothing is left to do."""
        for cluster in self.clusters.values():
            cluster.is_cut = False
            self._revive(cluster)
        self._mirror_all()
        for origin in REGIONS:
            if self.ownership(origin).draining:
                self._promote(origin, origin)
        for _ in range(_ROUNDS):
            for region, worker in self.workers.items():
                worker.news()
                self.step(Step("batch", region, _ALL))
                self.step(Step("commit", region))
            for reader in self.readers.values():
                reader.told()
                reader.read(_ALL)
            everybody = [*self.workers.values(), *self.readers.values()]
            if not self._mirror_all() and all(one.is_done for one in everybody):
                return
        raise AssertionError(f"the healing does not end within {_ROUNDS} rounds")

    def ownership(self, origin: str) -> Ownership:
        """What holds once everybody has heard of everything."""
        known = Ownerships()
        for cluster in self.clusters.values():
            for copy in ownership_copies(cluster):
                known.apply(copy)
        found = known.current(origin)
        assert found is not None
        return found

    def _worker(self, region: str) -> Worker:
        return Worker(self.clusters[region], self._rules)

    def _revive(self, cluster: Cluster) -> None:
        """With what was on its disks; its worker held the rest."""
        if not cluster.is_alive:
            cluster.is_alive = True
            self.workers[cluster.region] = self._worker(cluster.region)

    def _send(self, cluster: Cluster, number: int, *, again: bool) -> None:
        """An app retries within two minutes; later it asks anew."""
        sent_ms, value = self._sent.get(number, (self.now_ms, b""))
        if again is not bool(value) or self.now_ms - sent_ms > _RETRIED_MS:
            return
        user_id, event_id = f"user-{number % USERS}", f"event-{number}"
        is_asking = number % _VIEWS != 0
        if not again:
            event = {
                "event_id": event_id,
                "user_id": user_id,
                "kind": "click" if is_asking else "view",
                "item_id": f"item-{number}",
                "at_ms": self.now_ms,
            }
            value = msgspec.json.encode(event)
            self._sent[number] = self.now_ms, value
        appended_at_ms = self.now_ms + cluster.ahead_ms
        cluster.append(USER_EVENTS.name, user_id, value, [], appended_at_ms)
        if is_asking:
            self.asks.append(Ask(user_id, event_id, appended_at_ms, cluster.region))

    def _work(self, region: str, what: str, number: int) -> None:
        worker = self.workers[region]
        if what == "crash":
            self.workers[region] = self._worker(region)
        elif what == "news":
            worker.news()
        elif what == "commit":
            for answer in worker.commit():
                self._check(answer.user_id, answer.headers)
        else:
            now_ms = self.now_ms + self.clusters[region].ahead_ms
            worker.process(number, now_ms, scored=what == "batch")

    def _check(self, user_id: str, headers: AnswerHeaders) -> None:
        identity, cause_ms = _identity(user_id, headers), headers.cause.appended_at_ms
        key = identity, headers.origin, headers.epoch, cause_ms
        self.committed.append(key)
        if (identity, cause_ms) in self._seen.get((headers.origin, headers.epoch), ()):
            self.answered_twice.append(key)

    @staticmethod
    def _read(reader: Reader, what: str, number: int) -> None:
        if what == "read":
            reader.read(number)
        elif what == "told":
            reader.told()
        else:
            reader.restart()

    def _promote(self, region: str, origin: str) -> None:
        """By what is in this region's cluster, whatever the other says meanwhile."""
        cluster = self.clusters[region]
        known = self._known(cluster)
        ended = known.current(origin)
        if ended is None:
            return
        fences = self._rules.fences(ended)
        seen: set[tuple[str, int]] = set()
        for log in cluster.both(RECOMMENDATIONS):
            for record in log:
                headers = AnswerHeaders.decode(record.headers() or [])
                fences.take(0, headers)
                if valid(headers, 0, known.current(headers.origin)) and headers.origin == origin:
                    user_id = (record.key() or b"").decode()
                    seen.add((_identity(user_id, headers), headers.cause.appended_at_ms))
        record = promoted(
            ended, region, REGIONS.index(region), fences.newest_ms, command_id="promote"
        )
        self._seen[origin, record.epoch] = seen
        self._own(cluster, record)

    def _demote(self, region: str, origin: str) -> None:
        cluster = self.clusters[region]
        current = self._known(cluster).current(origin)
        if current is not None and current.owner == region and not current.draining:
            self._own(cluster, demoted(current, command_id="demote"))

    @staticmethod
    def _known(cluster: Cluster) -> Ownerships:
        known = Ownerships()
        for copy in ownership_copies(cluster):
            known.apply(copy)
        return known

    def _own(self, cluster: Cluster, record: Ownership) -> None:
        cluster.append(REGION_OWNERSHIP.name, record.origin, encode(record), [], self.now_ms)

    def _mirror_all(self) -> int:
        return sum(
            mirror(self.clusters[cluster.peer], cluster, topic, _ALL)
            for cluster in self.clusters.values()
            for topic in MIRRORED
        )


_MIRRORED = dict(zip(("events", "answers", "ownership"), MIRRORED, strict=True))
_VIEWS = 5
"""Every so many events one that asks for nothing."""
_RETRIED_MS = 50_000
"""With both clocks as far apart as they come, less than two minutes."""


def _identity(user_id: str, headers: AnswerHeaders) -> str:
    return recommendation_id(user_id, headers.cause.event_id, headers.cause.surface)
