"""What a region that is to take an origin over knows before it does: nothing is changed.

All questions at once, for a failover is counted in seconds. Called by `promote` and `failback`.
"""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from confluent_kafka import KafkaException

from infra import lag
from infra.broker import BrokerError
from infra.failover import fences
from infra.failover.alive import is_alive
from infra.failover.draining import Drain
from infra.failover.problems import FailoverError
from infra.failover.reach import Reach
from infra.failover.tail import Tail, tail
from infra.standby import NEAR_RECORDS
from schemas.control import Ownership
from schemas.topics import USER_EVENTS
from streams.lane.errors import LaneError
from streams.region.promotion import Standby
from streams.settings import Settings
from streams.topology import RECOMMEND, origins

UNSEEN = Standby(owner_alive=False, lag=0, lag_bound=0)
"""Where there is no record to look by."""
_DRAIN_S = 5.0
"""An owner that was told to drain a moment ago is waited for so long."""
_LOOK_S = 0.1


@dataclass(frozen=True)
class Look:
    """`against`: reasons beside those that `streams.region.promotion` finds in `standby`."""

    standby: Standby
    fences: dict[int, int]
    tail: Tail
    against: list[str] = field(default_factory=list)


def look(reach: Reach, current: Ownership, *, patient: bool) -> Look:
    """`patient`: watch heartbeats and wait for a drain, some seconds. Raises BrokerError,
    KafkaException, LaneError where this region's own cluster cannot be asked.
    """
    with ThreadPoolExecutor(4) as pool:
        alive = pool.submit(is_alive, reach, current.owner, patient=patient)
        behind = pool.submit(lag_of, reach.here, current.origin)
        lost = pool.submit(_tail, reach, current.origin)
        is_drain = current.draining and current.owner != reach.region and alive.result()
        undrained, against = _undrained(reach, current, patient=patient) if is_drain else ({}, [])
        # Behind the drain: what crossed meanwhile counts.
        found, unread = _fences(reach.here, current)
        standby = Standby(
            unread=unread,
            owner_alive=alive.result(),
            undrained=undrained,
            lag=behind.result(),
            lag_bound=lag_bound(reach.here),
        )
        return Look(standby, found, lost.result(), against)


def lag_of(settings: Settings, origin: str) -> int:
    """Records of the origin that this region holds and has not folded."""
    of_origin = {
        topic
        for topic, region in origins(USER_EVENTS, settings.region, settings.peers).items()
        if region == origin
    }
    progress = lag.each(RECOMMEND, settings)
    return sum(one.behind for one in progress if one.topic in of_origin)


def lag_bound(settings: Settings) -> int:
    return NEAR_RECORDS * settings.partitions


def _fences(settings: Settings, current: Ownership) -> tuple[dict[int, int], list[str]]:
    """And what could not be read."""
    try:
        return fences.read(settings, current), []
    except (BrokerError, KafkaException, LaneError):
        return {}, list(_topics_of(settings, current.owner))


def _topics_of(settings: Settings, owner: str) -> Iterator[str]:
    try:
        yield fences.topic_of(settings, owner)
    except BrokerError as error:
        yield str(error)


def _tail(reach: Reach, origin: str) -> Tail:
    try:
        return tail(reach, origin)
    except BrokerError:  # no mirror was ever here
        return Tail()


def _undrained(
    reach: Reach, current: Ownership, *, patient: bool
) -> tuple[dict[int, int], list[str]]:
    """What the owner has yet to process, and what else is waited for."""
    drain = Drain(reach, current.origin, current.owner, reach.region)
    ends = time.monotonic() + (_DRAIN_S if patient else 0)
    try:
        drain.begin()
        while (left := drain.left()) is not None and time.monotonic() < ends:
            time.sleep(_LOOK_S)
        undrained = {} if left is None else drain.undrained()
    except FailoverError as error:
        return {}, [str(error)]
    return undrained, [] if left is None or any(undrained.values()) else [left]
