"""By which states are compared: between regions, between a restart and what was before it."""

from collections.abc import Iterable

import xxhash

from schemas.state import UserState


def state_digest(state: UserState) -> str:
    """16 hex digits, equal for equal states; `made_from.state` of a slate."""
    return xxhash.xxh3_64_hexdigest(state.encode())


class WholeDigest:
    """Over users with their states, whatever the order they are added in, each once."""

    def __init__(self) -> None:
        self._whole = 0

    def add(self, user_id: str, state: UserState) -> None:
        user = xxhash.xxh3_128_digest(user_id.encode())
        self._whole ^= xxhash.xxh3_128_intdigest(user + state.encode())

    def hex(self) -> str:
        """32 digits."""
        return f"{self._whole:032x}"


def whole_digest(states: Iterable[tuple[str, UserState]]) -> str:
    """The same of all at once."""
    whole = WholeDigest()
    for user_id, state in states:
        whole.add(user_id, state)
    return whole.hex()
