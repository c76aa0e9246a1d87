"""Which states a user went through, and whether each slate was made from one of them.

A worker folds a partition's records in their order, so behind each record a user has one state and
no other may be seen, whatever died in between. With two feeds there is one for each pair of places
in them; as the commits of a partition are in order, so are the places.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from schemas.state import UserState
from tests.drills.check.answers import Answer, Order
from tests.drills.check.inputs import Read
from tests.drills.check.truth import Remembered, state_digest


class Step(NamedTuple):
    """One record of a user and the state behind it."""

    read: Read
    state: UserState


class Path:
    """A user's records of one feed, in order."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self._asked: dict[tuple[Order, str], int] = {}
        self._at = Remembered()

    def add(self, read: Read) -> None:
        assert read.event is not None
        self._at.add(read.event, read.appended_at_ms)
        self.steps.append(Step(read, self._at.state()))
        order = read.appended_at_ms, read.event.event_id
        self._asked.setdefault((order, read.event.surface), len(self.steps))

    def behind_ask(self, cause: Order, surface: str) -> int:
        """How many records there are up to this one; 0 where it is none of this feed."""
        return self._asked.get((cause, surface), 0)

    def behind(self, places: int) -> UserState:
        """The state behind so many records of this feed alone."""
        return self.steps[places - 1].state if places else UserState()


def unexplained(paths: Sequence[Path], answers: Sequence[Answer]) -> Iterator[Answer]:
    """Answers, in the order of their commits, made from a state that the user never had then."""
    reached = (0,) * len(paths)
    for answer in answers:
        begin = _behind_cause(paths, answer, reached)
        found = next(
            (places for places in _onwards(paths, begin) if _digest(paths, places) == answer.state),
            None,
        )
        if found is None:
            yield answer
        else:
            reached = found


def _behind_cause(
    paths: Sequence[Path], answer: Answer, reached: tuple[int, ...]
) -> tuple[int, ...]:
    """Where the search begins: behind the cause, and not before the answer before it."""
    return tuple(
        max(at, path.behind_ask(answer.cause, answer.surface))
        for path, at in zip(paths, reached, strict=True)
    )


def _onwards(paths: Sequence[Path], begin: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """All places from `begin` on, the near ones first."""
    left = [len(path.steps) - at for path, at in zip(paths, begin, strict=True)]
    for distance in range(sum(left) + 1):
        for steps in _split(distance, left):
            yield tuple(at + step for at, step in zip(begin, steps, strict=True))


def _split(distance: int, left: Sequence[int]) -> Iterator[tuple[int, ...]]:
    if len(left) == 1:
        if distance <= left[0]:
            yield (distance,)
        return
    for first in range(min(distance, left[0]) + 1):
        for rest in _split(distance - first, left[1:]):
            yield first, *rest


def _digest(paths: Sequence[Path], places: tuple[int, ...]) -> str:
    if len(paths) == 1:
        return state_digest(paths[0].behind(places[0]))
    both = Remembered()
    for path, place in zip(paths, places, strict=True):
        both.take(path.behind(place))
    return state_digest(both.state())
