"""Records for the tests of user states: many from few bytes, so that limits and ties are met."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from random import Random

from hypothesis import strategies as st

from schemas.events import (
    AnyEvent,
    Cart,
    Chat,
    Click,
    Erase,
    Follow,
    Hide,
    Impression,
    Purchase,
    Rating,
    Request,
    Search,
    Uncart,
    Unfollow,
    Unhide,
    View,
)
from schemas.state import EMPTY, UserState
from streams.state.fold import fold

START_MS = 1_700_000_000_000
STEP_MS = 5_000
"""256 steps are 21 minutes: events are often further ahead of the append time than allowed."""

Fold = Callable[[UserState, AnyEvent, int], UserState]


@dataclass(frozen=True)
class Rec:
    """A user event as it lies on a topic."""

    event: AnyEvent
    appended_at_ms: int = START_MS


def folded(records: list[Rec], state: UserState = EMPTY, by: Fold = fold) -> UserState:
    return reduce(lambda now, record: by(now, record.event, record.appended_at_ms), records, state)


_REMEMBERED = (View, Click, Cart, Uncart, Hide, Unhide, Purchase, Rating)
_PROFILES = (
    (*_REMEMBERED, Impression, Follow, Unfollow, Search, Chat, Request),
    (View, Click),
    (Impression, Impression, Impression, Click),
    (Cart, Uncart, Purchase),
    (Hide, Unhide),
    (Follow, Unfollow),
)
_BYTES_EACH = 6


@st.composite
def records(draw: st.DrawFn, most: int = 2000) -> list[Rec]:
    """A user's log. Ids, times and items come from small sets: copies of one event differ, times
    tie, and the largest logs hold more than every limit. Sometimes with erasures.

    Only small logs are drawn byte by byte, so that what fails shrinks; the others would cost
    Hypothesis its whole budget and come from a seed.
    """
    random = Random(draw(st.integers(0, 2**32)))
    profile, ids, items = (
        random.choice(of) for of in (_PROFILES, (4, 90, 256), (3, 150, 1000, 1000))
    )
    size = draw(st.sampled_from((12, 250, most)))
    if size == 12:
        raw = draw(st.binary(max_size=size * _BYTES_EACH))
    else:
        raw = random.randbytes(size * _BYTES_EACH)
    log = [
        _record(raw[at : at + _BYTES_EACH], profile, ids, items)
        for at in range(0, len(raw) - _BYTES_EACH + 1, _BYTES_EACH)
    ]
    for _ in range(random.choice((0, 0, 1, 2))):
        step = random.randrange(256)
        erase = Erase(event_id=f"erase-{step}", user_id="ann", at_ms=START_MS)
        log.insert(random.randint(0, len(log)), Rec(erase, START_MS + step * STEP_MS))
    return log


def _record(raw: bytes, profile: tuple[type, ...], ids: int, items: int) -> Rec:
    kind, event_id, high, low, time, appended = raw
    event = event_of(
        profile[kind % len(profile)],
        event_id=f"e{event_id % ids}",
        item=(high << 8 | low) % items,
        at_ms=START_MS + time * STEP_MS,
        value=kind // len(profile),
    )
    return Rec(event, START_MS + appended * STEP_MS)


def event_of(
    kind: type, event_id: str, item: int = 0, at_ms: int = START_MS, value: int = 1
) -> AnyEvent:
    """An event of any kind from a few numbers."""
    by_kind: dict[type, dict[str, object]] = {
        Impression: {"recommendation_id": "r", "epoch": 16, "position": 0},
        Rating: {"value": value % 6},
        Purchase: {"quantity": 1 + value},
        Search: {"query": "q"},
        Chat: {"text": "t"},
        Follow: {"followed_user_id": f"u{item}"},
        Unfollow: {"followed_user_id": f"u{item}"},
    }
    fields = by_kind.get(kind, {})
    if kind not in {Search, Chat, Request, Erase, Follow, Unfollow}:
        fields = fields | {"item_id": f"i{item}"}
    event: AnyEvent = kind(event_id=event_id, user_id="ann", at_ms=at_ms, **fields)
    return event
