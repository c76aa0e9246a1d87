"""What must hold once a schedule was played and everything is healed."""

from collections import Counter
from collections.abc import Iterable, Iterator

from schemas.codec import EventDecoder
from schemas.identifiers import DEFAULT_SURFACE, recommendation_id
from schemas.recommendations import AnswerHeaders
from schemas.state import EMPTY, UserState
from schemas.topics import RECOMMENDATIONS, USER_EVENTS
from streams.region.merge import Slate
from streams.region.valid import valid
from streams.state.fold import fold
from tests.simulator.reader import Life
from tests.simulator.schedule import REGIONS
from tests.simulator.world import Ask, World

Order = tuple[int, str]
_NEVER: Order = (-1, "")


def violations(world: World) -> list[str]:
    """Sentences; empty if all held."""
    return [
        *_unanswered(world),
        *_given_wrongly(world),
        *_answered_twice(world),
        *_wrong_states(world),
    ]


def _unanswered(world: World) -> Iterator[str]:
    """Each ask, at each reader, by a slate of its own or a newer one of its user and surface.

    An event that was sent again is one ask, the older. Two regions may answer one event that came
    to both, with one id and two causes; the slate is handed out once and answers up to the newer.
    """
    first: dict[str, Ask] = {}
    for ask in world.asks:
        known = first.setdefault(ask.event_id, ask)
        first[ask.event_id] = min(known, ask, key=lambda copy: copy.appended_at_ms)
    for region, reader in world.readers.items():
        ids = {slate.recommendation_id for slate in reader.handed}
        newest = _answered_up_to(world, region, ids)
        for ask in first.values():
            own = recommendation_id(ask.user_id, ask.event_id, DEFAULT_SURFACE)
            order = ask.appended_at_ms, ask.event_id
            if own not in ids and newest.get(ask.user_id, _NEVER) < order:
                yield (
                    f"{ask.event_id} of {ask.user_id}, sent to {ask.origin}, has no answer at the"
                    f" reader in {region}"
                )


def _answered_up_to(world: World, region: str, ids: set[str]) -> dict[str, Order]:
    """User -> the newest cause of the slates of these ids, by all valid answers that bear them."""
    newest: dict[str, Order] = {}
    holds = {origin: world.ownership(origin) for origin in REGIONS}
    for log in world.clusters[region].both(RECOMMENDATIONS):
        for record in log:
            headers = AnswerHeaders.decode(record.headers() or [])
            user_id, cause = (record.key() or b"").decode(), headers.cause
            identity = recommendation_id(user_id, cause.event_id, cause.surface)
            if identity in ids and valid(headers, 0, holds[headers.origin]):
                order = cause.appended_at_ms, cause.event_id
                newest[user_id] = max(order, newest.get(user_id, _NEVER))
    return newest


def _given_wrongly(world: World) -> Iterator[str]:
    for region, reader in world.readers.items():
        for life in reader.lives:
            yield from (f"{what} at the reader in {region}" for what in _wrong_in(life))


def _wrong_in(life: Life) -> Iterator[str]:
    newest: dict[str, Order] = {}
    ids: set[str] = set()
    for slate in _in_order(life.before):
        newest[slate.user_id] = _order(slate)
        ids.add(slate.recommendation_id)
    for slate in life.handed:
        event_id = slate.headers.cause.event_id
        if slate.recommendation_id in ids:
            yield f"the slate of {event_id} comes out twice"
        elif _order(slate) < newest.get(slate.user_id, _NEVER):
            yield f"the slate of {event_id} comes out after a newer one"
        newest[slate.user_id] = max(_order(slate), newest.get(slate.user_id, _NEVER))
        ids.add(slate.recommendation_id)


def _answered_twice(world: World) -> Iterator[str]:
    for (identity, origin, epoch, cause_ms), times in Counter(world.committed).items():
        if times > 1:
            yield f"{identity} of {origin}, cause at {cause_ms}, {times} times at epoch {epoch}"
    for identity, origin, epoch, cause_ms in world.answered_twice:
        yield (
            f"{identity} of {origin}, cause at {cause_ms}, is answered again at epoch {epoch},"
            " although its promoter had seen a valid answer"
        )


def _wrong_states(world: World) -> Iterator[str]:
    """In each region every user's state is what all his events make, in any order."""
    wanted: dict[str, UserState] = {}
    decoder = EventDecoder()
    for cluster in world.clusters.values():
        for record in cluster.log(USER_EVENTS.name):
            event = decoder.decode_event(record.value(), None, record.timestamp()[1])
            user_id = (record.key() or b"").decode()
            wanted[user_id] = fold(wanted.get(user_id, EMPTY), event, record.timestamp()[1])
    for region, worker in world.workers.items():
        found = dict(worker.partition.users.states())
        for user_id in sorted({*wanted, *found}):
            one, other = wanted.get(user_id, EMPTY), found.get(user_id, EMPTY)
            if one.encode() != other.encode():
                yield f"the state of {user_id} in {region} is not what his events make"


def _in_order(slates: Iterable[Slate]) -> list[Slate]:
    return sorted(slates, key=_order)


def _order(slate: Slate) -> Order:
    cause = slate.headers.cause
    return cause.appended_at_ms, cause.event_id
