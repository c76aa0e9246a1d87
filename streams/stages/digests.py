"""The lists of digests by which regions see that they hold the same states; slates of a standby's
sample ride along.

One slice of a partition's users at a time, by the clock, or all of them when a rotation is asked
for; each list rides in the transaction of a batch. All users have to be looked through for a
slice, so that is done a piece at a time, between batches. Called by `recommend` in the event loop's
thread.
"""

import logging
import math
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec

from schemas.codec import encode, schema_header
from schemas.control import SampledSlate, StateDigest, UserDigest
from schemas.topics import STATE_DIGESTS
from streams.lane.contract import Produced
from streams.region.parity import slice_at, slice_of
from streams.settings import Settings
from streams.state.digests import state_digest
from streams.state.users import Users

log = logging.getLogger(__name__)

_USERS_AT_ONCE = 10_000
"""Looked through in one step, which takes some milliseconds of the loop."""
_USERS_LISTED = 100_000
"""Whose digests are held at once where all slices are asked for; more are looked through again."""
_ASKED_MS = 600_000
"""How old a rotation's request may be for whoever holds the partition only since then."""
_LARGEST_BYTES = 900_000
"""Of a list; the broker takes no batch above 1 MiB, and compression is not to be counted on."""


@dataclass
class _UnderWay:
    """Lists that are being made. What is looked up later may hold more than `folded_to` says,
    never less.
    """

    slices: range
    folded_to: dict[str, int]
    hot: list[str]
    """Who was hot when it began and is yet to be looked at."""
    after: str | None = None
    """The last user of the store that was looked at."""
    users: dict[int, dict[str, UserDigest]] = field(default_factory=lambda: defaultdict(dict))
    """By slice."""


class Digests:
    """Of one partition."""

    def __init__(
        self,
        settings: Settings,
        partition: int,
        slates: Callable[[], list[SampledSlate]] = list,
    ) -> None:
        """`slates` gives those of the sample that were made since it was called last."""
        self._slates = slates
        self._region = settings.region
        self._partition = partition
        self._slices = settings.digest_slices
        # Without a peer nobody would compare them.
        self._period_s = settings.digest_s if settings.peers else None
        self._last_turn: int | None = None
        self._rotation_ms = 0
        """The request that was met last."""
        self._asked: deque[range] = deque()
        """The slices of a rotation that are yet to be listed, those of one pass together."""
        self._under_way: _UnderWay | None = None
        self._ready: deque[Produced] = deque()

    def advance(
        self, users: Users, folded_to: dict[str, int], now_s: float, rotation_ms: int = 0
    ) -> None:
        """Do a piece of work if there is any. `folded_to`: origin -> append time, of what `users`
        hold; `rotation_ms`: when a whole rotation was asked for. Called about once a second.
        """
        if self._period_s is None or not folded_to:
            return
        if rotation_ms > self._rotation_ms:
            self._rotation_ms = rotation_ms
            if rotation_ms > now_s * 1000 - _ASKED_MS:
                self._asked = _passes(users.estimated, self._slices)
        turn = int(now_s // self._period_s)
        if self._under_way is None and self._asked:
            self._under_way = self._begun(self._asked.popleft(), users, folded_to)
        elif self._under_way is None and turn != self._last_turn:
            self._last_turn = turn
            slice_ = slice_at(now_s, self._slices, self._period_s)
            self._under_way = self._begun(range(slice_, slice_ + 1), users, folded_to)
        if self._under_way is not None and self._step(self._under_way, users):
            for slice_ in self._under_way.slices:
                self._finish(self._under_way, slice_)
            self._under_way = None

    @property
    def is_ready(self) -> bool:
        """Whether there is a list to go with a batch."""
        return len(self._ready) > 0

    def take(self) -> list[Produced]:
        """A list that is ready, for the transaction of a batch."""
        return [self._ready.popleft()] if self._ready else []

    def _begun(self, slices: range, users: Users, folded_to: dict[str, int]) -> _UnderWay:
        return _UnderWay(slices, dict(folded_to), users.hot_ids())

    def _step(self, made: _UnderWay, users: Users) -> bool:
        """Whether everybody was looked at: who was hot, then who is in the store."""
        if made.hot:
            made.hot, ids = made.hot[:-_USERS_AT_ONCE], made.hot[-_USERS_AT_ONCE:]
            is_last = False
        else:
            ids = users.stored_ids(made.after, _USERS_AT_ONCE)
            is_last = len(ids) < _USERS_AT_ONCE
            made.after = None if is_last else ids[-1]
        for user_id in ids:
            slice_ = slice_of(user_id, self._slices)
            if slice_ not in made.slices or user_id in made.users[slice_]:
                continue
            state = users.peek(user_id)
            if state is not None:
                made.users[slice_][user_id] = UserDigest(
                    user=user_id, digest=state_digest(state), newest_ms=state.newest_appended_ms
                )
        return is_last

    def _finish(self, made: _UnderWay, slice_: int) -> None:
        listed_users = made.users[slice_]
        listed = StateDigest(
            region=self._region,
            partition=self._partition,
            slice=slice_,
            folded_to=made.folded_to,
            users=[listed_users[user_id] for user_id in sorted(listed_users)],
            slates=self._slates(),
        )
        value = encode(listed)
        if listed.slates and len(value) > _LARGEST_BYTES:
            value = encode(msgspec.structs.replace(listed, slates=[]))  # users come first
        if len(value) > _LARGEST_BYTES:
            log.error(
                "partition %d: slice %d has %d users, too many for a record of state-digests;"
                " raise TIDEMILL_DIGEST_SLICES in every region",
                self._partition, slice_, len(listed_users),
            )  # fmt: skip
            return
        key = f"{self._region}-{self._partition}".encode()
        self._ready.append(
            Produced(STATE_DIGESTS.name, key, value, [schema_header("state-digest")])
        )


def _passes(users: int, slices: int) -> deque[range]:
    """All slices, as many together as have so many users that their digests can be held."""
    together = max(1, math.floor(slices * min(1.0, _USERS_LISTED / max(1, users))))
    return deque(
        range(begin, min(begin + together, slices)) for begin in range(0, slices, together)
    )
