"""Where reading goes on when a partition opens, whatever became of its log meanwhile."""

from collections.abc import Sequence
from typing import Any

import pytest

from schemas.topics import USER_EVENTS
from streams.lane import clients
from streams.lane.checkpoint import Left, Opened
from streams.lane.contract import Slot
from streams.lane.errors import TopicError
from streams.lane.opening import Opening
from streams.settings import Settings

TOPIC = USER_EVENTS.name
SLOT = Slot(TOPIC, 0)
SAME, MADE_AGAIN = None, TopicError("made again")


class Known:
    """A checkpoint that says where it was, and what became of the topic since."""

    def __init__(self, position: int, became: TopicError | None) -> None:
        self._position, self._became = position, became

    def open(self, _slot: Slot, _feeds: Sequence[str], _left: Left) -> Opened:
        return Opened({TOPIC: self._position}, {TOPIC: self._position}, None)

    def check(self) -> None:
        if self._became is not None:
            raise self._became


class Stage:
    def open(self, slot: Slot, store: None) -> None:
        pass


class Nobody:
    """A consumer that is asked for nothing."""

    def close(self) -> None:
        pass


@pytest.fixture(autouse=True)
def _log(monkeypatch: pytest.MonkeyPatch) -> None:
    """The partition holds offsets 20 to 99."""
    monkeypatch.setattr(clients, "catch_up_reader", lambda _: Nobody())
    monkeypatch.setattr(clients, "watermarks", lambda *_: (20, 100))


def opened(position: int, became: TopicError | None = SAME) -> int:
    known: Any = Known(position, became)
    stage: Any = Stage()
    opening = Opening(known, stage, Settings(region="east", accept_lost_input=True))
    (feed,) = opening.open(SLOT, [TOPIC], lambda: True)
    return int(feed.offset)


@pytest.mark.parametrize(("position", "goes_on"), [(50, 50), (100, 100), (5, 20), (101, 100)])
def test_it_goes_on_at_the_position_within_the_log(position: int, goes_on: int) -> None:
    assert opened(position) == goes_on


def test_a_position_behind_the_end_is_of_a_log_that_is_gone() -> None:
    """The first records of the new one would be skipped, and slates made without them."""
    with pytest.raises(TopicError, match="made again"):
        opened(101, MADE_AGAIN)


def test_where_the_position_may_be_of_this_log_nobody_is_asked() -> None:
    assert opened(100, MADE_AGAIN) == 100
