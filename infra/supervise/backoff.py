"""How long a worker that ended waits before it is started again."""

from dataclasses import dataclass

FIRST_S = 0.5
LONGEST_S = 30.0
LIVED_S = 60.0
"""A worker that ran for so long was well: what ended it is new."""


@dataclass
class Backoff:
    """Doubles from exit to exit."""

    _delay_s: float = FIRST_S

    def after(self, lived_s: float) -> float:
        """Seconds until the next start of a worker that ran for `lived_s`."""
        if lived_s >= LIVED_S:
            self.reset()
        delay_s = self._delay_s
        self._delay_s = min(2 * delay_s, LONGEST_S)
        return delay_s

    def reset(self) -> None:
        """The next start is for a new reason, such as a person who asks for it."""
        self._delay_s = FIRST_S
