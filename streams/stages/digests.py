"""The lists of digests by which regions see that they hold the same states; slates of a standby's
sample ride along.

One slice of a partition's users at a time, by the clock; the list rides in the transaction of a
batch. All users have to be looked through for a slice, so that is done a piece at a time, between
batches. Called by `recommend` in the event loop's thread.
"""

import logging
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
_LARGEST_BYTES = 900_000
"""Of a list; the broker takes no batch above 1 MiB, and compression is not to be counted on."""


@dataclass
class _UnderWay:
    """A list that is being made. What is looked up later may hold more than `folded_to` says,
    never less.
    """

    slice: int
    folded_to: dict[str, int]
    hot: list[str]
    """Who was hot when it began and is yet to be looked at."""
    after: str | None = None
    """The last user of the store that was looked at."""
    users: dict[str, UserDigest] = field(default_factory=dict)


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
        self._under_way: _UnderWay | None = None
        self._ready: Produced | None = None

    def advance(self, users: Users, folded_to: dict[str, int], now_s: float) -> None:
        """Do a piece of work if there is any; `folded_to`: origin -> append time, of what `users`
        hold. Called about once a second.
        """
        if self._period_s is None:
            return
        turn = int(now_s // self._period_s)
        if self._under_way is None and turn != self._last_turn and folded_to:
            self._last_turn = turn
            slice_ = slice_at(now_s, self._slices, self._period_s)
            self._under_way = _UnderWay(slice_, dict(folded_to), users.hot_ids())
        if self._under_way is not None and self._step(self._under_way, users):
            self._finish(self._under_way)
            self._under_way = None

    @property
    def is_ready(self) -> bool:
        """Whether there is a list to go with a batch."""
        return self._ready is not None

    def take(self) -> list[Produced]:
        """The list that is ready, for the transaction of a batch."""
        ready, self._ready = self._ready, None
        return [] if ready is None else [ready]

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
            if user_id in made.users or slice_of(user_id, self._slices) != made.slice:
                continue
            state = users.peek(user_id)
            if state is not None:
                made.users[user_id] = UserDigest(
                    user=user_id, digest=state_digest(state), newest_ms=state.newest_appended_ms
                )
        return is_last

    def _finish(self, made: _UnderWay) -> None:
        listed = StateDigest(
            region=self._region,
            partition=self._partition,
            slice=made.slice,
            folded_to=made.folded_to,
            users=[made.users[user_id] for user_id in sorted(made.users)],
            slates=self._slates(),
        )
        value = encode(listed)
        if listed.slates and len(value) > _LARGEST_BYTES:
            value = encode(msgspec.structs.replace(listed, slates=[]))  # users come first
        if len(value) > _LARGEST_BYTES:
            log.error(
                "partition %d: slice %d has %d users, too many for a record of state-digests;"
                " raise TIDEMILL_DIGEST_SLICES in every region",
                self._partition, made.slice, len(made.users),
            )  # fmt: skip
            return
        key = f"{self._region}-{self._partition}".encode()
        self._ready = Produced(STATE_DIGESTS.name, key, value, [schema_header("state-digest")])
