"""Whether a region is lost, as two see it who do not share a link to it: somebody outside of all
regions, and the peer that would take over.

Pure. Promotion is a person's decision by default; this is the one that a machine may take. What
only one of them has lost may be a cut link, and a region cut off from everyone but its own people
goes on serving what it owned. Called by `infra.probing`, which looks, and acted upon by
`infra.failover.automatic`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

FRESH_S = 5.0
"""What somebody says of a region counts for so long: a look that nobody answers takes a second, and
is two seconds old before the next is over.
"""


@dataclass(frozen=True, kw_only=True)
class View:
    """Of one region, by one observer; seconds of one clock, the watcher's. `heard_s`: when the
    observer last knew it to live, None: never. `looked_s`: when the observer last could look at
    all; `since_s`: since when it has looked without a break.
    """

    observer: str
    since_s: float
    looked_s: float
    heard_s: float | None = None

    def silent_s(self) -> float:
        """For how long it has looked and not heard."""
        known_s = self.since_s if self.heard_s is None else max(self.since_s, self.heard_s)
        return max(0.0, self.looked_s - known_s)


def why_not_automatic(
    region: str, outside: View, peer: View, *, after_s: float, now_s: float
) -> list[str]:
    """Sentences, one a reason; empty: both have lost the region for `after_s`, so it may be given
    up.
    """
    reasons = []
    for view in (outside, peer):
        blind_s = now_s - view.looked_s
        if blind_s > FRESH_S:
            reasons.append(f"{view.observer} could not look at {region} for {blind_s:.1f} s")
        elif view.silent_s() < after_s:
            reasons.append(_not_long_enough(region, view))
    return reasons


def _not_long_enough(region: str, view: View) -> str:
    if view.heard_s is None or view.heard_s < view.since_s:
        return f"{view.observer} has looked at {region} for {view.silent_s():.1f} s only"
    return f"{view.observer} heard {region} {view.silent_s():.1f} s ago"


def rates(before: Mapping[int, int], after: Mapping[int, int], seconds: float) -> dict[int, float]:
    """Partition -> records a second between two looks at the ends of a topic."""
    return {
        partition: max(0, end - before.get(partition, end)) / seconds
        for partition, end in after.items()
    }
