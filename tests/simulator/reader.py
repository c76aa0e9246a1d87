"""A consumer of recommendations in one region: the reader library's rules on a cluster's logs."""

from collections.abc import Iterable
from typing import NamedTuple

from schemas.topics import RECOMMENDATIONS
from streams.region.merge import Merge, Slate
from streams.region.valid import valid
from tests.simulator.cluster import Cluster
from tests.simulator.rules import Rules
from tests.simulator.worker import ownership_copies
from tests.streams.records import FakeRecord


class Life(NamedTuple):
    """From one start of the reader to the next."""

    before: list[Slate]
    """What earlier lives handed out and this one must know of: valid still, and read back."""
    handed: list[Slate]


class Reader:
    def __init__(self, cluster: Cluster, rules: Rules) -> None:
        self._cluster = cluster
        self._rules = rules
        self._positions = [0, 0]
        self._merge: Merge = rules.merge()
        self.lives = [Life([], [])]

    def restart(self) -> None:
        """Its memory is gone. It goes back to the first slate that waits, and reads what is before
        that, to know what it handed out.
        """
        for slate in self._merge.waiting:
            place, offset = slate.record
            self._positions[place] = min(self._positions[place], offset)
        self._merge = self._rules.merge()
        self._merge.news(ownership_copies(self._cluster))
        for place, position in enumerate(self._positions):
            self._take(place, 0, position)
        current = self._merge.ownerships.current
        before = [
            slate
            for slate in self.handed
            if slate.record[1] < self._positions[slate.record[0]]
            and valid(slate.headers, 0, current(slate.headers.origin))
        ]
        self.lives.append(Life(before, []))

    def read(self, at_most: int) -> None:
        """Recommendations; of an epoch that is not known, the ownership records too."""
        for place, log in enumerate(self._cluster.both(RECOMMENDATIONS)):
            start = self._positions[place]
            self._positions[place] = min(len(log), start + at_most)
            self._hand_out(self._take(place, start, self._positions[place]))
        if self._merge.waiting:
            self.told()

    def told(self) -> None:
        self._hand_out(self._merge.news(ownership_copies(self._cluster)))

    @property
    def handed(self) -> list[Slate]:
        return [slate for life in self.lives for slate in life.handed]

    @property
    def is_done(self) -> bool:
        logs = self._cluster.both(RECOMMENDATIONS)
        return not self._merge.waiting and self._positions == [len(log) for log in logs]

    def _take(self, place: int, start: int, end: int) -> list[Slate]:
        records: list[FakeRecord] = self._cluster.both(RECOMMENDATIONS)[place][start:end]
        slates = (
            self._merge.take(0, record.key(), record.headers() or [], (place, record.offset()))
            for record in records
        )
        return [slate for slate in slates if slate is not None]

    def _hand_out(self, slates: Iterable[Slate]) -> None:
        self.lives[-1].handed.extend(slates)
