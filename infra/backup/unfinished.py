"""Folders of backups that were begun and never finished, and when one may be removed.

A backup begins with a file that says which process makes it. On the machine of that process it is
removed once the process is gone; one of another machine, a day after it began. Called by `create`.
"""

import os
import socket
import time
from collections.abc import Iterable

import msgspec

from infra.backup.chain import Found
from infra.backup.place import Place
from infra.processes import identity

NAME = "begun"
_ELSEWHERE_MS = 24 * 3_600_000
"""Nobody here can see whether a process of another machine still runs; no backup takes a day."""


class Begun(msgspec.Struct, frozen=True):
    host: str
    pid: int
    process: str
    """Its identity."""


def begin(place: Place, id_: str) -> None:
    pid = os.getpid()
    begun = Begun(socket.gethostname(), pid, identity(pid))
    with place.create(f"{id_}/{NAME}") as write:
        write(msgspec.json.encode(begun))


def remove(place: Place, known: Iterable[Found]) -> list[str]:
    """The ids of those that are gone now."""
    gone = [one.id for one in known if one.is_unfinished and _is_left(place, one)]
    for id_ in gone:
        place.remove(id_)
    return gone


def _is_left(place: Place, one: Found) -> bool:
    try:
        begun = msgspec.json.decode(place.read(f"{one.id}/{NAME}"), type=Begun)
    except (FileNotFoundError, msgspec.MsgspecError):
        begun = None
    if begun is None or begun.host != socket.gethostname():
        return time.time() * 1000 - one.begun_ms > _ELSEWHERE_MS
    try:
        return identity(begun.pid) != begun.process
    except (FileNotFoundError, ProcessLookupError):
        return True
