"""What was shown a moment ago and left alone moves down. Pure."""

from collections.abc import Sequence

from schemas.state import UserState
from streams.scoring.candidates import Candidate
from streams.scoring.columns import interactions, marks, times_ms

REPEAT_WINDOW_MS = 24 * 3_600_000
"""A day: tomorrow's visit may see today's items again."""


def ignored(state: UserState, now_ms: int) -> dict[int, int]:
    """Items seen within the window without a reaction at or after that: hash -> age in ms."""
    seen = marks(state, "seen")
    seen_ms = times_ms(seen)
    recent = (seen_ms > now_ms - REPEAT_WINDOW_MS) & (seen["flag"] != 0)
    if not recent.any():
        return {}
    history = interactions(state.history)
    # Ascending in time, so of several the last one stays.
    reacted = dict(zip(history["item"].tolist(), times_ms(history).tolist(), strict=True))
    shown = zip(seen["key"][recent].tolist(), seen_ms[recent].tolist(), strict=True)
    return {
        item: max(0, now_ms - shown_ms)
        for item, shown_ms in shown
        if reacted.get(item, -1) < shown_ms
    }


def moved_down(ranked: Sequence[Candidate], ages: dict[int, int], limit: int) -> list[Candidate]:
    """An item just seen falls by a whole slate (`limit` places), one seen half a window ago by
    half a slate. Whole numbers only, so every machine ranks alike.
    """

    def place(rank: int) -> tuple[int, int, int]:
        age_ms = ages.get(ranked[rank].item)
        fall = 0 if age_ms is None else limit * (REPEAT_WINDOW_MS - age_ms) // REPEAT_WINDOW_MS
        return rank + fall, fall, rank  # at equal places, what did not fall goes first

    return [ranked[rank] for rank in sorted(range(len(ranked)), key=place)]
