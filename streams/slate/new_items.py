"""Items newer than the release: what they are worth to a user, and how much of a slate they get.

The model has not seen them, so they are compared with the user by their text alone, on the scale
that the release ships. Nobody has touched them yet, and nobody will unless they are shown: some
places are theirs, those of their own rank or else the last ones. No more, for a text says less than
what people did. Pure.
"""

import heapq
from collections.abc import Collection, Iterable, Sequence
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from schemas.releases import TextSpace
from streams.catalogue.vectors import Held
from streams.scoring.candidates import Candidate

SOURCE = "new"


def new_candidates(
    held: Held, user: NDArray[np.float32], space: TextSpace, exclude: Collection[int], count: int
) -> list[Candidate]:
    """The `count` that lie nearest to the user, (dim,), best first; none that is worth nothing, as
    nothing that the model retrieves is. Who is known for nothing lies nowhere.
    """
    if user.shape != held.places.shape[1:] or not user.any():
        return []
    worth = space.offset + space.slope * (held.places @ user)  # (n,)
    found: list[Candidate] = []
    # By hash where they tie, so that every worker has the same.
    for place in np.lexsort((held.items, -worth)).tolist():
        if len(found) == count or worth[place] <= 0:
            break
        item = int(held.items[place])
        if item not in exclude:
            found.append(Candidate(item, float(worth[place]), SOURCE))
    return found


def by_score(candidates: Iterable[Candidate], new: Sequence[Candidate]) -> Iterable[Candidate]:
    """Both, best first, as each of them is."""
    return heapq.merge(candidates, new, key=lambda one: -one.score) if new else candidates


def given_places(
    ranked: Sequence[Candidate], limit: int, share: float, resting: Collection[int]
) -> list[Candidate]:
    """The same, so ordered that of the first `limit` a `share` (rounded down) are new items; other
    new ones do not stay. In a slate too short for the share one may stand where its own rank puts
    it. `resting` (hashes) are not lifted: they were just shown and left alone.
    """
    theirs = int(limit * share)
    most = max(theirs, 1) if share > 0 else 0
    own = [one for one in ranked[:limit] if one.source == SOURCE][:most]
    behind = (one for one in ranked[limit:] if one.source == SOURCE and one.item not in resting)
    lifted = list(islice(behind, max(0, theirs - len(own))))
    kept = [one for one in ranked if one.source != SOURCE or one in own]
    slate, rest = kept[:limit], kept[limit:]
    # Those that make room are the last of the known ones, and now the first reserves.
    room = len(lifted) - (limit - len(slate))
    known = [one for one in slate if one.source != SOURCE]
    leaving = known[len(known) - room :] if room > 0 else []
    return [*(one for one in slate if one not in leaving), *lifted, *leaving, *rest]
