"""Rules that are wrong on purpose, one at a time: a simulator that passes them is worth nothing.

Each is a mistake that an engine could make, and the properties must find it.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from schemas.control import Ownership
from schemas.recommendations import AnswerHeaders
from streams.region.merge import Merge, Slate
from streams.region.promotion import Fences
from streams.stages import due
from streams.stages.asks import Ask, Order, Place
from streams.stages.plain import Plain
from tests.simulator.rules import Rules
from tests.simulator.schedule import Step

Steps = Iterable[Iterable[AnswerHeaders]]


def _at_once(headers: AnswerHeaders) -> Ownership:
    """A record under which this answer is valid, whatever holds."""
    return Ownership(
        origin=headers.origin, epoch=headers.epoch, owner=headers.origin, command_id="wrong"
    )


def _note_everything(
    answered: dict[Place, Order], partition: int, key: bytes | None, headers: AnswerHeaders, _: Any
) -> None:
    due.note(answered, partition, key, headers, _at_once(headers))


def _start_after_newest_cause(
    logs: Iterable[Steps], partition: int, ownership: Ownership | None
) -> int | None:
    newest_first = [
        [
            [
                msgspec.structs.replace(each, answered_before_ms=each.cause.appended_at_ms)
                for each in step
            ]
            for step in steps
        ]
        for steps in logs
    ]
    return due.asks_start(newest_first, partition, ownership)


def _changed_only_where_lost_or_won(
    looked: Mapping[str, int], owned: Mapping[str, int]
) -> set[str]:
    return {*looked} ^ {*owned}


def _only_the_newest_is_due(asks: Iterable[Ask], *others: Any) -> due.Found:
    """As if all were of one user."""
    found = due.found(asks, *others)
    return found._replace(due=sorted(found.due, key=lambda ask: ask.order)[-1:])


def _what_is_due_may_be_asked_again(
    asks: Iterable[Ask], answered: dict[Place, Order], start_ms: int, plain: Plain
) -> due.Found:
    """Only what was answered is remembered for an event that is sent again."""
    read = [*asks]
    what, recent = due.found(read, answered, start_ms, plain), plain.recent_asks()
    for ask in read:
        if ask not in what.due:
            recent.add(plain.recent_ask(ask.event), ask.appended_at_ms)
    return what._replace(recent=recent)


class _NoFences(Fences):
    def take(self, partition: int, headers: AnswerHeaders) -> None:
        """Epochs end as if they had answered nothing."""


class _GivesRepeats(Merge):
    def _judge(self, slate: Slate) -> Slate | None:
        first = super()._judge(slate)
        return slate if slate.recommendation_id in self._given else first


class _GivesOlder(Merge):
    def _judge(self, slate: Slate) -> Slate | None:
        self._newest.put((slate.user_id, slate.headers.cause.surface), (-1, ""))
        return super()._judge(slate)


class _GivesWhatEndedToo(Merge):
    """Hands out what a zombie says."""

    def _judge(self, slate: Slate) -> Slate | None:
        headers = slate.headers
        first = super()._judge(slate)
        ended = headers.epoch < _epoch(self, headers.origin)
        return slate if first is None and ended else first


class _ForgetsTheUnknown(Merge):
    """Drops what no record lists yet."""

    def _judge(self, slate: Slate) -> Slate | None:
        if slate.headers.epoch > _epoch(self, slate.headers.origin):
            return None
        return super()._judge(slate)


class _ForgetsTheRefused(Merge):
    """Drops for ever what one record of ownership has ended."""

    def _judge(self, slate: Slate) -> Slate | None:
        first = super()._judge(slate)
        self._refused.clear()
        return first


def _epoch(merge: Merge, origin: str) -> int:
    ownership = merge.ownerships.current(origin)
    return 0 if ownership is None else ownership.epoch


WRONG = {
    "every recommendation counts as an answer": Rules(note=_note_everything),
    "due is counted from the newest cause": Rules(asks_start=_start_after_newest_cause),
    "due is not read again between two owned epochs": Rules(
        changed=_changed_only_where_lost_or_won
    ),
    "only the newest ask is due": Rules(found=_only_the_newest_is_due),
    "what is due may be asked for again": Rules(found=_what_is_due_may_be_asked_again),
    "there are no fences": Rules(fences=_NoFences),
    "a reader hands out repeats": Rules(merge=_GivesRepeats),
    "a reader hands out older slates after newer": Rules(merge=_GivesOlder),
    "a reader hands out what has ended": Rules(merge=_GivesWhatEndedToo),
    "a reader drops epochs that it does not know": Rules(merge=_ForgetsTheUnknown),
    "a reader forgets what it refused": Rules(merge=_ForgetsTheRefused),
}
STORIES = {
    "what is due may be asked for again": [
        Step("send", "west", 1),
        Step("promote-west", "west"),
        Step("batch", "west", 3),
        Step("news", "west"),
        Step("commit", "west"),
        Step("batch", "west", 1),
        Step("again", "west", 1),
    ],
    "due is counted from the newest cause": [
        Step("send", "east", 1),
        Step("send", "east", 2),
        Step("batch-unscored", "east", 8),
        Step("commit", "east"),
        Step("pass", "east", 100_000),
        Step("send", "east", 3),
        Step("batch", "east", 8),
        Step("commit", "east"),
        Step("crash", "east"),
    ],
    "a reader forgets what it refused": [
        Step("send", "east", 1),
        Step("batch", "east", 8),
        Step("commit", "east"),
        Step("mirror-ownership", "west", 1),
        Step("promote", "west"),
        Step("mirror-answers", "west", 1),
        Step("read", "west", 8),
        Step("promote", "east"),
        Step("promote", "east"),
    ],
}
"""What it takes to find some of them; chance may need more than 20,000 schedules for it."""
