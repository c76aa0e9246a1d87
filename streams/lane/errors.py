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


class StateError(LaneError):
    """States that this release cannot read, or input that is gone before it was folded."""

    exit_code = 15


class DiskError(LaneError):
    """The disk under TIDEMILL_STATE_DIR is full, damaged, or another worker's."""

    exit_code = 16


class OtherDiskError(LaneError):
    """ClickHouse has another disk than the one whose rows the positions tell of."""

    exit_code = 17


SENTENCES = {
    1: "it ended with an error before it could say more; its log has the traceback",
    2: "a setting is wrong",
    LaneError.exit_code: "an error that nobody expected, or that Kafka does not take back",
    FencedError.exit_code: "another worker holds its partition now",
    DeadlineError.exit_code: "something it waits for did not happen in time",
    TopicError.exit_code: "a topic is missing or not as the settings say",
    StageError.exit_code: "a stage raised: a bug, or a server that refused the data itself",
    StateError.exit_code: "states it cannot read, or input that is gone before it was folded",
    DiskError.exit_code: "its state's disk is full, damaged, or another worker's",
    OtherDiskError.exit_code: "ClickHouse has another disk, which a start fills from the topics",
}
"""What each exit code of a worker says to a person; the message of the error itself is in its log,
behind CRITICAL.
"""
