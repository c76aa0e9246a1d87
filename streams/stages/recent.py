"""Which asks were answered a moment ago, so that an event sent again is answered once.

Later its slate would repeat under the same recommendation_id, which readers drop as well.
"""

WINDOW_MS = 120_000
"""By append time: how long an app retries."""


class RecentAsks:
    """Of one origin in one partition. Bounded: what was added two windows ago is forgotten as a
    whole.
    """

    def __init__(self) -> None:
        self._young: dict[int, int] = {}
        self._old: dict[int, int] = {}
        self._until_ms = 0

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def add(self, user_id: str, event_id: str, surface: str, appended_at_ms: int) -> bool:
        """False where the same ask was answered within the window before this one."""
        if appended_at_ms > self._until_ms:
            self._old = self._young if appended_at_ms <= self._until_ms + WINDOW_MS else {}
            self._young = {}
            self._until_ms = appended_at_ms + WINDOW_MS
        if self.knows(user_id, event_id, surface, appended_at_ms):
            return False
        self._young[hash((user_id, event_id, surface))] = appended_at_ms
        return True

    def knows(self, user_id: str, event_id: str, surface: str, appended_at_ms: int) -> bool:
        """Whether the same ask was answered within the window before this one."""
        key = hash((user_id, event_id, surface))
        before_ms = self._young.get(key) or self._old.get(key)
        return before_ms is not None and appended_at_ms - before_ms <= WINDOW_MS
