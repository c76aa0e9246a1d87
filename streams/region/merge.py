"""Own and mirrored recommendations into one row of slates: what every reader of them must do.

Each slate comes out once, only if it is valid, and never after a newer one of its user and
surface. Pure: records and news of ownership are handed in, by `reader` (Kafka) and by the
simulator. Never looks at a clock or at a recommendation's value. The rules in words, for other
languages: README.md beside this file.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

from schemas.codec import RefusedError
from schemas.identifiers import recommendation_id
from schemas.recommendations import AnswerHeaders
from streams.region.copies import Copy
from streams.region.ownership import Ownerships
from streams.region.valid import valid

K = TypeVar("K")
V = TypeVar("V")

PLACES = 1_000_000
"""(user, surface) pairs and as many ids remembered, those handed out longest ago forgotten first;
540 MB when it is full, by 540 bytes each (measured). What is forgotten may be handed out once more.
"""
ASIDE = 10_000
"""Slates kept because they are not valid yet: at 2 KB each 20 MB. A mirror brings thousands of an
epoch before the record that lists it, at most.
"""
_NEVER = (-1, "")


class Slate(NamedTuple):
    """A recommendation; `record` is whatever the caller handed in, for what only he needs."""

    partition: int
    user_id: str
    recommendation_id: str
    headers: AnswerHeaders
    record: Any


class Merge:
    """Called by one thread at a time. `ownerships` is what this reader knows of them."""

    def __init__(self, *, places: int = PLACES, aside: int = ASIDE) -> None:
        self.ownerships = Ownerships()
        self._newest: _Remembered[tuple[str, str], tuple[int, str]] = _Remembered(places)
        self._given: _Remembered[str, None] = _Remembered(places)
        self._unknown: list[Slate] = []
        self._refused: deque[Slate] = deque(maxlen=aside)
        self._aside = aside

    @property
    def waiting(self) -> Sequence[Slate]:
        """Of epochs that no record read so far tells of: read `region-ownership` on. Who starts
        anew begins at the first of them.
        """
        return self._unknown

    @property
    def is_full(self) -> bool:
        """So many wait that no more should be taken before there is news of ownership."""
        return len(self._unknown) >= self._aside

    def take(
        self,
        partition: int,
        key: bytes | None,
        headers: list[tuple[str, bytes]],
        record: Any = None,
    ) -> Slate | None:
        """One record of a recommendations topic, in the order of its partition: the slate if it
        is to be handed out now. What is no recommendation at all is passed over.
        """
        try:
            read = AnswerHeaders.decode(headers)
            user_id = (key or b"").decode()
        except ValueError:
            return None
        identity = recommendation_id(user_id, read.cause.event_id, read.cause.surface)
        return self._judge(Slate(partition, user_id, identity, read, record))

    def news(self, copies: Iterable[Copy]) -> list[Slate]:
        """Records of `region-ownership`, own and mirrored: the slates that may go out now."""
        before = dict(self.ownerships.origins)
        for copy in copies:
            try:
                self.ownerships.apply(copy)
            except RefusedError:
                continue  # what held before still does
        if dict(self.ownerships.origins) == before:
            return []
        aside = [*self._refused, *self._unknown]
        self._refused.clear()
        self._unknown.clear()
        # An older record of ownership that comes late changes nothing; a newer one may also make
        # valid again what one between had ended, when two regions were promoted unknown to
        # each other.
        judged = (self._judge(slate) for slate in sorted(aside, key=_order))
        return [slate for slate in judged if slate is not None]

    def _judge(self, slate: Slate) -> Slate | None:
        headers = slate.headers
        ownership = self.ownerships.current(headers.origin)
        if ownership is None or headers.epoch > ownership.epoch:
            self._unknown.append(slate)
            return None
        if not valid(headers, slate.partition, ownership):
            self._refused.append(slate)
            return None
        place, order = (slate.user_id, headers.cause.surface), _order(slate)
        if order <= (self._newest.get(place) or _NEVER):
            return None
        if slate.recommendation_id in self._given:
            return None
        self._newest.put(place, order)
        self._given.put(slate.recommendation_id, None)
        return slate


def _order(slate: Slate) -> tuple[int, str]:
    cause = slate.headers.cause
    return cause.appended_at_ms, cause.event_id


class _Remembered(Generic[K, V]):
    """The latest entries, at least half of `at_most` and never more."""

    def __init__(self, at_most: int) -> None:
        self._half = max(1, at_most // 2)
        self._young: dict[K, V] = {}
        self._old: dict[K, V] = {}

    def __contains__(self, key: K) -> bool:
        return key in self._young or key in self._old

    def get(self, key: K) -> V | None:
        found = self._young.get(key)
        return self._old.get(key) if found is None else found

    def put(self, key: K, value: V) -> None:
        if key not in self._young and len(self._young) >= self._half:
            self._old, self._young = self._young, {}
        self._young[key] = value
