"""Which asks were answered a moment ago, so that an event sent again is answered once.

Later its slate would repeat under the same recommendation_id, which readers drop as well.
"""

from collections import OrderedDict

WINDOW_MS = 120_000
"""By append time: how long an app retries."""


class RecentAsks:
    """Of one partition; bounded by the window."""

    def __init__(self) -> None:
        self._asked: OrderedDict[tuple[str, str, str], int] = OrderedDict()

    def add(self, user_id: str, event_id: str, surface: str, appended_at_ms: int) -> None:
        self._asked[user_id, event_id, surface] = appended_at_ms
        self._asked.move_to_end((user_id, event_id, surface))
        while next(iter(self._asked.values())) < appended_at_ms - WINDOW_MS:
            self._asked.popitem(last=False)

    def answered(self, user_id: str, event_id: str, surface: str, appended_at_ms: int) -> bool:
        """Whether the same ask was answered within the window before this one."""
        before = self._asked.get((user_id, event_id, surface))
        return before is not None and appended_at_ms - before <= WINDOW_MS
