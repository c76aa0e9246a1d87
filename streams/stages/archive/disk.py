"""Which disk of ClickHouse has the rows before a position, and whether it is still the one there.

A server comes back with an empty disk, or is made again from nothing, and the group's offsets know
nothing of it. So each disk has an id of its own in the archive's database (migration 5), a commit
carries it, and an offset that was committed for another disk does not count: the topics are read
from their start, as far as they are retained. No clock and no socket; called by `inserts`, in the
archive's threads, and by the checkpoint, in the lane's.
"""

import logging
import threading

from streams.lane.errors import OtherDiskError

log = logging.getLogger(__name__)

ID_SQL = "SELECT min(id) FROM archive_disk"
"""The smallest, should two migrations have run at the same moment."""


class Disk:
    """The one that this worker fills."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._lock = threading.Lock()
        self._id: str | None = None
        self._believed: set[str] = set()
        """Those of the offsets that this worker went on from before the server answered."""

    @property
    def id(self) -> str:
        """For a commit. Empty: nothing was written yet, so any disk has all before it."""
        return self._id or next(iter(self._believed), "")

    def has(self, id_: str) -> bool:
        """Whether a position counts that was committed for the disk `id_`. Where the server does
        not answer yet, it does, until `found` says otherwise.
        """
        with self._lock:
            if not id_:
                return True
            if self._id is not None:
                return id_ == self._id
            self._believed.add(id_)
            return True

    def found(self, id_: str) -> None:
        """The server said so. Raises OtherDiskError."""
        with self._lock:
            before = self._believed if self._id is None else {self._id}
            self._id = self._id or id_
        if before - {id_}:
            raise OtherDiskError(
                f"ClickHouse at {self._address} has another disk than the one that was filled up to"
                " here; this worker starts anew, and fills it from the start of the topics"
            )
