"""What runs now, as the records and the kernel tell it; asking the servers is the caller's part."""

from dataclasses import dataclass
from pathlib import Path

import psutil

from infra.local.supervisor import records


@dataclass(frozen=True)
class State:
    """One started process. `running` is False where it ended by itself and nobody stopped it."""

    name: str
    pid: int
    running: bool
    started_at_s: float
    resident_bytes: int
    ports: dict[str, int]
    log: Path
    keeper: str
    """Who starts it again when it ends; empty where nobody does."""


def states(run: Path) -> tuple[State, ...]:
    """In the order of their start."""
    return tuple(_state(record) for record in records.read_all(run))


def _state(record: records.Record) -> State:
    process = record.process()
    resident_bytes = 0
    if process is not None:
        try:
            family = [process, *process.children(recursive=True)]
            resident_bytes = sum(member.memory_info().rss for member in family)
        except psutil.Error:  # ended while we looked
            pass
    return State(
        name=record.name,
        pid=record.pid,
        running=process is not None,
        started_at_s=record.created_at_s,
        resident_bytes=resident_bytes,
        ports=record.ports,
        log=Path(record.log),
        keeper=record.keeper,
    )
