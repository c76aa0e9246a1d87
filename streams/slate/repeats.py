"""What was shown a moment ago and left alone moves down. Pure."""

from collections.abc import Sequence

from schemas.state import UserState
from streams.scoring.candidates import Candidate

REPEAT_WINDOW_MS = 24 * 3_600_000
"""A day: tomorrow's visit may see today's items again."""


def ignored(state: UserState, now_ms: int) -> dict[int, int]:
    """Items seen within the window without a reaction at or after that: hash -> age in ms."""
    reacted: dict[int, int] = {}
    for interaction in state.interactions():
        reacted[interaction.item] = interaction.time_ms  # ascending, so the last one stays
    ages = {}
    for mark in state.marks("seen"):
        age_ms = max(0, now_ms - mark.time_ms)
        if mark.flag and age_ms < REPEAT_WINDOW_MS and reacted.get(mark.key, -1) < mark.time_ms:
            ages[mark.key] = age_ms
    return ages


def moved_down(ranked: Sequence[Candidate], ages: dict[int, int], limit: int) -> list[Candidate]:
    """An item just seen falls by a whole slate (`limit` places), one seen half a window ago by
    half a slate. Whole numbers only, so every machine ranks alike.
    """

    def place(rank: int) -> tuple[int, int]:
        age_ms = ages.get(ranked[rank].item)
        if age_ms is None:
            return rank, rank
        return rank + limit * (REPEAT_WINDOW_MS - age_ms) // REPEAT_WINDOW_MS, rank

    return [ranked[rank] for rank in sorted(range(len(ranked)), key=place)]
