"""Two states of one user made one, whatever each has seen.

Associative, commutative and idempotent: a state can be joined into another at any time and any
number of times. Seeding a region, restoring a backup, mending a divergence and changing the
number of partitions are all this. Called for the records of `user-state.joins` and by restores.
"""

from schemas.state import (
    HISTORY_LIMIT,
    INTERACTION_BYTES,
    MAP_LIMITS,
    MARK_BYTES,
    UserState,
)
from streams.state.entries import merge, newer_than


def join(a: UserState, b: UserState) -> UserState:
    """The normal form of both together, also where `a` or `b` is not in the normal form."""
    erased_to_ms = max(a.erased_to_ms, b.erased_to_ms)

    def joined(one: bytes, other: bytes, width: int, limit: int) -> bytes:
        return newer_than(erased_to_ms, merge(one, other, width, limit), width)

    bought, seen, hidden, cart, followed = (
        joined(one, other, MARK_BYTES, limit)
        for one, other, limit in zip(a.maps, b.maps, MAP_LIMITS, strict=True)
    )
    return UserState(
        erased_to_ms,
        max(a.newest_appended_ms, b.newest_appended_ms),
        joined(a.history, b.history, INTERACTION_BYTES, HISTORY_LIMIT),
        (bought, seen, hidden, cart, followed),
    )
