"""The states of one partition's users, and the digests by which regions compare them.

All states are held in memory. Called by the stages; nothing else holds a state between batches.
"""

from collections.abc import Iterator

import xxhash

from schemas.state import EMPTY, UserState


def state_digest(state: UserState) -> str:
    """16 hex digits, equal for equal states; `made_from.state` of a slate."""
    return xxhash.xxh3_64_hexdigest(state.encode())


class Users:
    """States by user id. Who has none has the empty state and is not counted."""

    def __init__(self) -> None:
        self._states: dict[str, UserState] = {}

    def get(self, user_id: str) -> UserState:
        return self._states.get(user_id, EMPTY)

    def put(self, user_id: str, state: UserState) -> None:
        if state != EMPTY:
            self._states[user_id] = state

    def __contains__(self, user_id: str) -> bool:
        return user_id in self._states

    def __len__(self) -> int:
        return len(self._states)

    def __iter__(self) -> Iterator[str]:
        """The ids of the users who have a state, in no order that means anything."""
        return iter(self._states)

    def digest(self, user_id: str) -> str:
        return state_digest(self.get(user_id))

    def whole_digest(self) -> str:
        """32 hex digits over all users, whatever the order they came in."""
        whole = 0
        for user_id, state in self._states.items():
            user = xxhash.xxh3_128_digest(user_id.encode())
            whole ^= xxhash.xxh3_128_intdigest(user + state.encode())
        return f"{whole:032x}"
