"""No category takes the whole slate. Pure."""

from collections.abc import Callable, Sequence

from streams.scoring.candidates import Candidate


def spread(
    ranked: Sequence[Candidate],
    category: Callable[[Candidate], str | None],
    limit: int,
    max_share: float,
) -> list[Candidate]:
    """The same candidates, so ordered that of the first `limit` at most `max_share` (at least one)
    are of one category, as long as there are others. `category` gives an item's first one; items
    without one are not held back.
    """
    most = max(1, int(limit * max_share))
    taken: dict[str, int] = {}
    first: list[Candidate] = []
    held_back: list[Candidate] = []
    for candidate in ranked:
        name = category(candidate)
        if len(first) < limit and name is not None and taken.get(name, 0) >= most:
            held_back.append(candidate)
            continue
        if name is not None:
            taken[name] = taken.get(name, 0) + 1
        first.append(candidate)
    # What was held back for the slate's sake is still better than what follows the slate.
    return first[:limit] + held_back + first[limit:]
