"""The changelog of one partition as compaction would leave it, and what its two records say."""

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from schemas.state import MARKER_KEY, POSITION_KEY, USER_KEY_PREFIX, Marker, Position
from schemas.topics import STATE_CHANGELOG
from tests.drills.check.logs import Logs


@dataclass(frozen=True)
class Changelog:
    states: Mapping[str, bytes]
    """User -> the last encoded state."""
    marker: Mapping[str, int]
    """Topic id -> offset; empty where there is no marker yet."""
    position: Mapping[str, int]
    end: int
    """The offset behind its last record."""
    records: int


def read(logs: Logs, partition: int) -> Changelog:
    view: dict[bytes, bytes | None] = {}
    end = count = 0
    for message in logs.records(STATE_CHANGELOG.name, partition):
        view[message.key()] = message.value()
        end = message.offset() + 1
        count += 1
    marker, position = view.get(MARKER_KEY), view.get(POSITION_KEY)
    return Changelog(
        states={
            key[len(USER_KEY_PREFIX) :].decode(): value
            for key, value in view.items()
            if key.startswith(USER_KEY_PREFIX) and value is not None
        },
        marker=msgspec.json.decode(marker, type=Marker).offsets if marker else {},
        position=msgspec.json.decode(position, type=Position).offsets if position else {},
        end=end,
        records=count,
    )
