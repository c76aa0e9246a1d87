"""One person of the log: the slate, and how it changes with what the person clicks."""

import time

from inference.data import Interactions
from infra.cli.printing import out, tell
from infra.cli.recommend import print_slate
from infra.slates import Slates, event_id
from infra.titles import titles
from schemas.events import Click, Request
from schemas.identifiers import DEFAULT_SURFACE
from streams.settings import Settings

_ANSWER_S = 60.0
_CLICKS = 3
_SHOWN = 6
"""Items a slate here, so that four of them fit on a screen."""
_KNOWN_RATINGS = 20


def somebody(past: Interactions, future: Interactions) -> str:
    """Who is most active in the future of those who are well known from the past."""
    before, after = [0] * len(past.users), [0] * len(past.users)
    for user in past.user.tolist():
        before[user] += 1
    for user in future.user.tolist():
        after[user] += 1
    known = [user for user in range(len(past.users)) if before[user] >= _KNOWN_RATINGS]
    return past.users[max(known, key=lambda user: after[user])]


def first_slate(settings: Settings, user: str) -> None:
    """What the person would see now."""
    with Slates(settings, user, DEFAULT_SURFACE) as slates:
        print_slate(slates.ask(_request(user), _ANSWER_S), titles(settings))


def three_clicks(settings: Settings, user: str) -> None:
    """The person clicks the first film of each slate; the next slate answers that click."""
    known = titles(settings)
    with Slates(settings, user, DEFAULT_SURFACE) as slates:
        slate = slates.ask(_request(user), _ANSWER_S)
        print_slate(slate, known)
        for _ in range(_CLICKS):
            chosen = slate.items[0].item_id
            out.print()
            tell(f"{user} clicks {known.get(chosen, chosen)}:")
            before = slate
            slate = slates.ask(_click(user, chosen), _ANSWER_S)
            print_slate(slate, known, before)


def _request(user: str) -> Request:
    return Request(event_id=event_id(), user_id=user, at_ms=_now_ms(), limit=_SHOWN)


def _click(user: str, item: str) -> Click:
    return Click(event_id=event_id(), user_id=user, at_ms=_now_ms(), item_id=item, limit=_SHOWN)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
