"""The few steps of a failed schedule that matter, and their story."""

from collections.abc import Callable, Sequence

from tests.simulator.schedule import Step

Fails = Callable[[Sequence[Step]], bool]


def shrunk(steps: Sequence[Step], fails: Fails) -> list[Step]:
    """No single step can be taken from what is returned, and it still fails."""
    kept = list(steps)
    size = max(1, len(kept) // 2)
    while True:
        place, before = 0, len(kept)
        while place < len(kept):
            fewer = kept[:place] + kept[place + size :]
            if fails(fewer):
                kept = fewer
            else:
                place += size
        if size > 1:
            size //= 2
        elif len(kept) == before:
            return kept


def story(steps: Sequence[Step], wrong: Sequence[str]) -> str:
    """For a person."""
    lines = [f"{number:3}. {step}" for number, step in enumerate(steps, 1)]
    return "\n".join([*lines, "     and once all is healed:", *(f"     - {one}" for one in wrong)])
