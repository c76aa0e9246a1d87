"""The hot users of a partition with their states, in two generations: what `users.py` holds in
memory. It decides nothing: who is let go, spilled or flushed is for `users.py` to say.

This one is made of Python's dicts. The other one (streams/native) holds the same in one table of
bytes and is changed by plain records in place, so it can tell who `changed` behind Python's back.
"""

from collections.abc import Sequence
from typing import Protocol

from schemas.state import UserState


class Hot(Protocol):
    """States of one partition's users."""

    def __len__(self) -> int: ...
    @property
    def young(self) -> int:
        """How many were touched since the others grew old."""

    @property
    def untold(self) -> int:
        """Of how many `changed` has to tell."""

    def touch(self, user_id: str, /) -> UserState | None:
        """A hot user's state; he is young from here on."""

    def peek(self, user_id: str, /) -> UserState | None:
        """The same, but it is no touch."""

    def put(self, user_id: str, state: UserState, /) -> None:
        """He is young, and hot if he was not."""

    def is_young(self, user_id: str, /) -> bool: ...
    def changed(self) -> Sequence[str]:
        """Whom plain records changed since they were unmarked, in the order of their changes; each
        is told of once.
        """

    def unmark(self, user_id: str, /) -> None:
        """He was flushed: `changed` tells of him when he changes again."""

    def ids(self) -> list[str]: ...
    def old_ids(self) -> list[str]:
        """Whom `age` would let go."""

    def age(self) -> None:
        """The old are let go, the young grow old. Ask who `changed` before."""


class HotStates:
    """The same in Python."""

    untold = 0

    def __init__(self) -> None:
        self._young: dict[str, UserState] = {}
        self._old: dict[str, UserState] = {}

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    @property
    def young(self) -> int:
        return len(self._young)

    def touch(self, user_id: str, /) -> UserState | None:
        state = self._young.get(user_id)
        if state is None:
            state = self._old.pop(user_id, None)
            if state is not None:
                self._young[user_id] = state
        return state

    def peek(self, user_id: str, /) -> UserState | None:
        return self._young.get(user_id) or self._old.get(user_id)

    def put(self, user_id: str, state: UserState, /) -> None:
        self._young[user_id] = state
        if self._old:
            self._old.pop(user_id, None)

    def is_young(self, user_id: str, /) -> bool:
        return user_id in self._young

    def changed(self) -> Sequence[str]:
        return ()

    def unmark(self, user_id: str, /) -> None:
        pass

    def ids(self) -> list[str]:
        return [*self._young, *self._old]

    def old_ids(self) -> list[str]:
        return list(self._old)

    def age(self) -> None:
        self._old, self._young = self._young, {}
