"""States of users for the tests of scoring and slates, built from their packed form."""

from collections.abc import Iterable, Mapping

from schemas.state import KIND_CODES, MAPS, Interaction, Mark, UserState

NOW_MS = 1_700_000_000_000


def state_of(
    history: Iterable[tuple[str, int, int]] = (),
    **maps: Mapping[int, tuple[int, int]],
) -> UserState:
    """`history` as (kind, item, time in ms), `maps` as {key: (time in ms, flag)}."""
    entries = sorted(
        Interaction(time, number, KIND_CODES[kind], number % 7, item)
        for number, (kind, item, time) in enumerate(history)
    )
    packed = [
        b"".join(
            mark.pack()
            for mark in sorted(
                Mark(time, key, flag) for key, (time, flag) in maps.get(name, {}).items()
            )
        )
        for name in MAPS
    ]
    return UserState(
        history=b"".join(entry.pack() for entry in entries),
        maps=(packed[0], packed[1], packed[2], packed[3], packed[4]),
    )
