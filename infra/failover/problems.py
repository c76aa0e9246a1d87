"""Why an origin did not change hands, each in a sentence for a person. Repeating is always safe."""

from collections.abc import Sequence


class FailoverError(Exception):
    """It says what was and what was not done, and how to go on."""


class RefusedCommandError(FailoverError):
    """A precondition does not hold; nothing was written."""

    def __init__(self, what: str, reasons: Sequence[str], *, overrulable: bool = True) -> None:
        remedy = "; --force REASON overrules this" if overrulable else ""
        super().__init__(f"{what} refused: {'; '.join(reasons)}{remedy}")
        self.reasons = list(reasons)


class OvertakenError(FailoverError):
    """Another operator's command holds the cluster now, or was there first; this one wrote nothing
    more.
    """


class TimeoutPassedError(FailoverError):
    """What was waited for did not come in time; says in which state that leaves the origin."""
