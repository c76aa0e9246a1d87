"""Why a worker ended: its exit code or signal in a sentence, and its own last words."""

import re
import signal
from pathlib import Path

import msgspec

from infra.local.supervisor import logs
from streams.lane.errors import SENTENCES

_FATAL = re.compile(r" CRITICAL \S+: (.+)$|^(Fatal Python error: .+)$", re.MULTILINE)
_LONGEST_CHARS = 500
_LINES = 400
"""A fatal line may stand before a long traceback."""
_NATIVE = (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGILL, signal.SIGFPE)
_UNASKED = "it ended without an error, and nobody here had asked it to"


class Exit(msgspec.Struct, frozen=True, kw_only=True):
    """`code` is None where a signal ended it, and both are where it could not even be started.

    `said` is the cause in the worker's own words, None where it had none.
    """

    at_ms: int
    pid: int | None
    code: int | None
    signal: str | None
    lived_s: float
    sentence: str
    said: str | None

    def __str__(self) -> str:
        if self.signal is not None:
            how = f"was ended by {self.signal} after {self.lived_s:.1f} s"
        elif self.code is not None:
            how = f"exited with code {self.code} after {self.lived_s:.1f} s"
        else:
            how = "could not be started"
        said = f" ({self.said})" if self.said else ""
        return f"{how}: {self.sentence}{said}"


def ended(pid: int, returncode: int, lived_s: float, at_ms: int, last_words: str | None) -> Exit:
    """From what `waitpid` says, as `subprocess` gives it: a signal is a negative number."""
    code = returncode if returncode >= 0 else None
    number = signal.Signals(-returncode) if returncode < 0 else None
    return Exit(
        at_ms=at_ms,
        pid=pid,
        code=code,
        signal=None if number is None else number.name,
        lived_s=lived_s,
        sentence=_sentence(code, number),
        said=last_words,
    )


def not_started(reason: Exception, at_ms: int) -> Exit:
    """A port that is taken, a program that is not there."""
    return Exit(
        at_ms=at_ms, pid=None, code=None, signal=None, lived_s=0, sentence=str(reason), said=None
    )


def last_words(log: Path, from_byte: int, returncode: int) -> str | None:
    """The last fatal line that a worker logged; else the last line of one that exited by itself."""
    text = logs.last_lines(log, from_byte, _LINES)
    found: list[str] = [logged or native for logged, native in _FATAL.findall(text)]
    lines = [line for line in text.splitlines() if line.strip()]
    if found:
        return found[-1][:_LONGEST_CHARS]
    if returncode > 0 and lines:
        return lines[-1].strip()[:_LONGEST_CHARS]
    return None


def _sentence(code: int | None, number: signal.Signals | None) -> str:
    if number is None:
        return SENTENCES.get(code or 0, "its log says more") if code else _UNASKED
    if number == signal.SIGKILL:
        return "memory ran out, or somebody killed it"
    if number in _NATIVE:
        return "it crashed in native code; its log says where"
    return "somebody ended it"
