"""By which states are compared: between regions, between a restart and what was before it."""

from collections.abc import Iterable

import xxhash

from schemas.state import UserState


def state_digest(state: UserState) -> str:
    """16 hex digits, equal for equal states; `made_from.state` of a slate."""
    return xxhash.xxh3_64_hexdigest(state.encode())


def whole_digest(states: Iterable[tuple[str, UserState]]) -> str:
    """32 hex digits over users with their states, whatever the order they come in."""
    whole = 0
    for user_id, state in states:
        user = xxhash.xxh3_128_digest(user_id.encode())
        whole ^= xxhash.xxh3_128_intdigest(user + state.encode())
    return f"{whole:032x}"
