"""A folder that appears whole or not at all: written beside its place, flushed, renamed.

Used for data sets, releases and Triton's model repository. A crash between any two lines leaves
at most a folder `.writing-*`, which the next writer of the same parent removes; a lock on the
parent makes sure that nobody else is still writing it.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PREFIX = ".writing-"


@contextmanager
def locked(parent: Path) -> Iterator[None]:
    """Keeps every other writer of this parent out, also those of other processes."""
    parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(parent / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        for left in parent.glob(f"{_PREFIX}*"):
            shutil.rmtree(left, ignore_errors=True)
        yield
    finally:
        os.close(handle)


@contextmanager
def drafted(parent: Path) -> Iterator[Path]:
    """A new empty folder in the parent, gone afterwards unless it was published. Hold the lock."""
    draft = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
    draft.chmod(0o755)  # mkdtemp keeps others out, but Triton may run as somebody else
    try:
        yield draft
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def publish(draft: Path, target: Path) -> None:
    """Flushes the draft to disk and gives it its name. The target must not exist."""
    for path in sorted(draft.rglob("*"), reverse=True):
        flush(path)
    flush(draft)
    draft.rename(target)
    flush(target.parent)


def write_file(path: Path, content: bytes) -> None:
    """Replaces one file at once: a reader sees the old content or the new."""
    handle, name = tempfile.mkstemp(prefix=_PREFIX, dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(path)
    finally:
        Path(name).unlink(missing_ok=True)
    flush(path.parent)


def flush(path: Path) -> None:
    """Waits until a file's or folder's content is on disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
