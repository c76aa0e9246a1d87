"""What stops a worker, each with the exit code that tells the supervisor why.

None of these is handled inside the worker: it leaves at once and a new one starts from the last
commit, which is always a whole one.
"""

from collections.abc import Callable

Fatal = Callable[[BaseException], None]
"""Ends the worker; may be called in any thread."""


class LaneError(Exception):
    """A worker cannot go on. The message says what is wrong, where, and what to do."""

    exit_code = 10


class FencedError(LaneError):
    """Another worker holds this partition now; what this one had in hand was rejected."""

    exit_code = 11


class DeadlineError(LaneError):
    """Something the worker waits for did not happen in time; a restart tries again."""

    exit_code = 12


class TopicError(LaneError):
    """A topic is missing or not as the settings say; `tidemill topics --check` shows how."""

    exit_code = 13


class StageError(LaneError):
    """A stage raised: a bug, or a server that refused the data itself."""

    exit_code = 14
