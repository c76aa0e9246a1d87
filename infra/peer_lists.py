"""What the regions' lists of users tell: whether each peer holds the same users, and whether Triton
answers the sample that this region scores as a standby.

The first look goes two rotations back, for a user must differ twice: with a million users a few
hundred megabytes, with a thousand next to nothing. Called by `infra.standby`.
"""

import heapq
import time
from typing import NamedTuple

import msgspec

from infra.digest_lists import DigestLists
from schemas.control import StateDigest
from streams.region.parity import Parity
from streams.settings import Settings

_ROTATIONS = 2
_SLACK_S = 60.0
"""For lists that come late."""
_TOLD = 3
"""Users that are named as examples."""


class Users(msgspec.Struct, frozen=True, kw_only=True):
    """Of a region and a peer, as each slice was last compared. Whom one lists and the other lacks
    differs; `differing_twice` are those who differed when they were last compared and the time
    before, and `such_as` names a few of them.
    """

    peer: str
    compared: int
    equal: int
    differing: int
    differing_twice: int
    such_as: list[str]


class Sampled(msgspec.Struct, frozen=True, kw_only=True):
    """Slates that this region made of its sample a moment ago: by the model, and those for which
    Triton gave no answer in time. Cold users ask no model and are not among them.
    """

    scored: int
    failed: int

    @property
    def is_warm(self) -> bool | None:
        """None: no ask came that could have been sampled."""
        return self.scored > 0 if self.scored or self.failed else None


class _Made(NamedTuple):
    published_ms: int
    sampled: Sampled


class PeerLists:
    """Of one region. Called by one thread at a time."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        rotation_s = settings.digest_slices * settings.digest_s
        since_s = time.time() - _ROTATIONS * rotation_s - _SLACK_S
        self._lists = DigestLists(settings, int(since_s * 1000))
        self._parity = {peer: Parity(settings.region, peer) for peer in settings.peers}
        self._mine: dict[int, _Made] = {}
        """Partition -> this region's newest list."""

    def read(self) -> None:
        """Take in what is there now. Raises BrokerError, KafkaException, LaneError."""
        for made, published_ms in self._lists.new():
            for parity in self._parity.values():
                parity.add([made])
            if made.region == self._settings.region:
                self._mine[made.partition] = _Made(published_ms, _sampled(made))

    def users(self, peer: str) -> Users:
        """As far as lists were read."""
        parity = self._parity[peer]
        return Users(
            peer=peer,
            compared=parity.equal + len(parity.differing),
            equal=parity.equal,
            differing=len(parity.differing),
            differing_twice=len(parity.diverged),
            such_as=heapq.nsmallest(_TOLD, parity.diverged),
        )

    def sampled(self) -> Sampled:
        """By the newest list of each partition, if it is not older than two of its turns: so a
        Triton that dies is told after that time at most.
        """
        since_ms = (time.time() - 2 * self._settings.digest_s) * 1000
        newest = [made.sampled for made in self._mine.values() if made.published_ms >= since_ms]
        return Sampled(
            scored=sum(one.scored for one in newest), failed=sum(one.failed for one in newest)
        )


def _sampled(made: StateDigest) -> Sampled:
    fallbacks = [slate.fallback for slate in made.slates]
    scored = fallbacks.count(None)
    return Sampled(scored=scored, failed=len(fallbacks) - scored - fallbacks.count("cold_user"))
