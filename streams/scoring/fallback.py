"""What is shown when no model answered: what is popular, without what the user must not see.

Called by the recommend stage for the users whom `client` could not score, and for cold users.
Pure. Recommendations never stop because a model did.
"""

from collections.abc import Collection, Iterable
from itertools import islice

from streams.catalogue.items import Popular
from streams.scoring.candidates import Candidate

SOURCE = "popular"
"""The same word as a model's own popular candidates; `fallback` tells the two apart."""


def popular_candidates(
    popular: Iterable[Popular], exclude: Collection[int], k: int
) -> list[Candidate]:
    """At most k of `Catalogue.popular()` that are not excluded; the score is how often an item
    was seen in training, 0 for one that no release knows.
    """
    allowed = (
        Candidate(item, float(interactions), SOURCE)
        for item, interactions in popular
        if item not in exclude
    )
    return list(islice(allowed, k))
