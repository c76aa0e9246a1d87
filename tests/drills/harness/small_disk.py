"""A disk of a few megabytes, to be full at will: as root a tmpfs; otherwise no file may grow past a
limit meanwhile, which whoever writes meets as another error of the same writes.
"""

import os
import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

_MB = 1024 * 1024
_PIECE_BYTES = 64 * 1024


@dataclass(frozen=True)
class SmallDisk:
    folder: Path
    size_mb: int
    is_mounted: bool

    @property
    def how(self) -> str:
        """For a figure."""
        if self.is_mounted:
            return f"a tmpfs of {self.size_mb} MB"
        return "RLIMIT_FSIZE, for want of a right to mount"

    @contextmanager
    def full(self, left_bytes: int) -> Iterator[None]:
        """By somebody else's file, but for so much; or no file gets larger than a quarter of it."""
        if not self.is_mounted:
            before = resource.getrlimit(resource.RLIMIT_FSIZE)
            # Processes that start now inherit it, with their logs: these stay small.
            resource.setrlimit(resource.RLIMIT_FSIZE, (left_bytes // 4, before[1]))
            try:
                yield
            finally:
                resource.setrlimit(resource.RLIMIT_FSIZE, before)
            return
        taken = self.folder / "taken"
        with taken.open("wb", buffering=0) as out, suppress(OSError):
            while self._free_bytes() > left_bytes:
                out.write(bytes(min(_PIECE_BYTES, self._free_bytes() - left_bytes)))
        try:
            yield
        finally:
            taken.unlink()

    def _free_bytes(self) -> int:
        found = os.statvfs(self.folder)
        return found.f_bavail * found.f_frsize


@contextmanager
def small_disk(folder: Path, size_mb: int, *, mount: bool = True) -> Iterator[SmallDisk]:
    """In `folder`, empty. Not `mount`: a limit on files also where one could mount."""
    folder.mkdir(parents=True)
    mounted = False
    if mount and os.geteuid() == 0:
        command = ["mount", "-t", "tmpfs", "-o", f"size={size_mb}m", "tmpfs", str(folder)]
        mounted = subprocess.run(command, check=False, capture_output=True).returncode == 0
    try:
        yield SmallDisk(folder, size_mb, mounted)
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)
