"""A folder at an fsspec URL: a disk, S3, WebHDFS, memory. Written once, read, listed, removed.

Nothing here knows what a backup is. Every error of every storage is told as a BackupError; a file
that is not there is a FileNotFoundError.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import fsspec

from infra.backup.problems import BackupError

_UNFINISHED = ".part"
_WRITTEN = "written"
_PATTERN = set("*?[")


class Place:
    """Names are relative to the URL, with slashes."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        try:
            with self._told("reached"):
                self._files, root = fsspec.core.url_to_fs(url)
        except BackupError as error:
            if isinstance(error.__cause__, ImportError):
                raise BackupError(
                    f"{url} needs a package that is not installed here ({error.__cause__});"
                    " tidemill[stores] has those of s3:// and webhdfs://"
                ) from error
            raise
        self._root: str = root.rstrip("/")
        if set(self._root) & _PATTERN:
            raise BackupError(f"{url}: fsspec takes *, ? and [ for patterns, so no place has them")

    def folders(self) -> list[str]:
        """The names of the folders right below, sorted; none where nothing was written yet."""
        with self._told("listed"):
            self._files.invalidate_cache()
            try:
                entries = self._files.ls(self._root, detail=True)
            except FileNotFoundError:
                return []
        found = (e["name"].rstrip("/") for e in entries if e["type"] == "directory")
        return sorted(name.rsplit("/", 1)[-1] for name in found)

    def read(self, name: str) -> bytes:
        with self.open(name) as read:
            return read(-1)

    @contextmanager
    def open(self, name: str) -> Iterator[Callable[[int], bytes]]:
        """Gives what reads the next so many bytes of a file; fewer at its end."""
        with self._told(f"read ({name})"):
            file = self._files.open(f"{self._root}/{name}", "rb")

        def read(count: int) -> bytes:
            with self._told(f"read ({name})"):
                content: bytes = file.read(count)
                return content

        with file:
            yield read

    @contextmanager
    def create(self, name: str) -> Iterator[Callable[[bytes], None]]:
        """Gives what writes to a file; on a disk it is there, power cut or not, at the end."""
        path = f"{self._root}/{name}"
        with self._told(f"{_WRITTEN} ({name})"):
            self._files.makedirs(path.rsplit("/", 1)[0], exist_ok=True)
            file = self._files.open(path, "wb")

        def write(content: bytes) -> None:
            with self._told(f"{_WRITTEN} ({name})"):
                file.write(content)

        try:
            yield write
            with self._told(f"{_WRITTEN} ({name})"):
                file.flush()
                with suppress(OSError, AttributeError):  # only files of a disk have a number
                    os.fsync(file.fileno())
        finally:
            with self._told(f"{_WRITTEN} ({name})"):
                file.close()

    def publish(self, name: str, content: bytes) -> None:
        """The file appears whole or not at all."""
        with self.create(name + _UNFINISHED) as write:
            write(content)
        target = f"{self._root}/{name}"
        with self._told(f"{_WRITTEN} ({name})"):
            self._files.mv(target + _UNFINISHED, target)
            if self._files.exists(target + _UNFINISHED):
                # HDFS renames onto nothing that is there, and says nothing.
                self._files.rm(target)
                self._files.mv(target + _UNFINISHED, target)

    def remove(self, name: str) -> None:
        """A file, or a folder with all that is in it; nothing where nothing is."""
        with self._told(f"removed ({name})"), suppress(FileNotFoundError):
            self._files.invalidate_cache()
            self._files.rm(f"{self._root}/{name}", recursive=True)

    @contextmanager
    def _told(self, what: str) -> Iterator[None]:
        """A file that is not there is the caller's business, but for one that is written."""
        try:
            yield
        except BackupError:
            raise
        except Exception as error:
            if isinstance(error, FileNotFoundError) and not what.startswith(_WRITTEN):
                raise
            # Each storage has errors of its own, and fsspec imports them when it is asked.
            raise BackupError(f"{self.url} cannot be {what}: {error}") from error
