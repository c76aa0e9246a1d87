"""What a hot user costs in memory: a real partition that took real records, measured as the
growth of this process.

Events of all users come interleaved, as they do in life, so that the allocator's losses count.
`measured` runs this file as a program, `python -m tests.benchmarks.engine.memory USERS CLICKS
IMPRESSIONS`, once for each figure: what one process gave back, the next would find free.
"""

import gc
import itertools
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import psutil
from confluent_kafka import Message

from schemas.codec import encode
from schemas.events import AnyEvent, Click, Impression
from schemas.state import HISTORY_LIMIT, MAP_LIMITS, MAPS
from schemas.topics import USER_EVENTS
from streams.lane.contract import Run
from streams.settings import Settings
from streams.stages.intake import Partition
from streams.stages.taken import Intake
from streams.state.flushing import FlushCycle
from streams.state.store import Store
from tests.benchmarks.problems import BenchmarkError
from tests.benchmarks.processes import CHECKOUT
from tests.benchmarks.statistics import rounded

_NOW_MS = 1_700_000_000_000
_MAP = "seen"
_MAP_LIMIT = MAP_LIMITS[MAPS.index(_MAP)]
_AT_ONCE = 200
_MAP_USERS = 10
"""So many times fewer users for the full maps, which hold ten times as much."""


def click(user: int, number: int) -> AnyEvent:
    return Click(
        event_id=f"{user:016x}{number:016x}",
        user_id=f"user-{user:07d}",
        at_ms=_NOW_MS + number,
        item_id=f"item-{(user + number) % 10_000:05d}",
    )


def impression(user: int, number: int) -> AnyEvent:
    return Impression(
        event_id=f"{user:016x}{number:016x}",
        user_id=f"user-{user:07d}",
        at_ms=_NOW_MS + number,
        item_id=f"item-{(user + number) % 10_000:05d}",
        recommendation_id="0" * 32,
        epoch=16,
        position=0,
    )


def measured(users: int) -> dict[str, float]:
    """Bytes of resident memory. The user's id and his place in the table are part of a user."""
    plain = _asked(users, HISTORY_LIMIT, 0)
    fewer = max(1, users // _MAP_USERS)
    without, full = _asked(fewer, HISTORY_LIMIT, 0), _asked(fewer, HISTORY_LIMIT, _MAP_LIMIT)
    return {
        "users": users,
        "history": HISTORY_LIMIT,
        "bytes_per_hot_user": rounded(plain),
        "users_with_a_full_map": fewer,
        "entries_of_a_full_map": _MAP_LIMIT,
        "bytes_per_map_entry": rounded((full - without) / _MAP_LIMIT),
    }


def _asked(users: int, clicks: int, impressions: int) -> float:
    """Bytes a user, of a process of its own."""
    numbers = map(str, (users, clicks, impressions))
    command = [sys.executable, "-m", __spec__.name, *numbers]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BenchmarkError(f"memory could not be measured: {done.stderr.strip()}")
    return float(done.stdout)


def grown(count: int, clicks: int, impressions: int) -> float:
    """Bytes a user, all of them written to the changelog once and not changed since.

    The first fifth of the users is not counted: it pays for what is there only once.
    """
    with tempfile.TemporaryDirectory(prefix="tidemill-bench-") as folder:
        store = Store(Path(folder), "memory")
        # Nothing here asks: recent asks are no part of a state.
        settings = Settings(partitions=1, asking_kinds=("request",))
        partition = Partition(0, store, settings, {USER_EVENTS.name: settings.region}, 0.0)
        first = count // 5
        _fill(partition, range(first), clicks, impressions)
        before = _resident()
        _fill(partition, range(first, count), clicks, impressions)
        size_bytes = _resident() - before
        assert partition.users.hot == count
        store.close()
    return size_bytes / (count - first)


def _fill(partition: Partition, numbers: range, clicks: int, impressions: int) -> None:
    for number, some in itertools.product(range(clicks), _chunks(numbers)):
        _take(partition, [click(user, number) for user in some])
    for number, some in itertools.product(range(impressions), _chunks(numbers)):
        _take(partition, [impression(user, number) for user in some])
    cycle = FlushCycle(1.0, 0.0, {})
    while cycle.take(partition.users, {}, 0.0, whole=True).marker is None:
        pass


def _chunks(numbers: range) -> list[range]:
    """So few that their records hardly count."""
    return [numbers[at : at + _AT_ONCE] for at in range(0, len(numbers), _AT_ONCE)]


def _take(partition: Partition, events: Sequence[AnyEvent]) -> None:
    records = [
        Message(USER_EVENTS.name, 0, 0, None, encode(event), None, None, (1, event.at_ms))
        for event in events
    ]
    partition.take(Run(USER_EVENTS.name, records), Intake())


def _resident() -> int:
    gc.collect()
    # Its pages one by one: the kernel's running count (rss) is behind by some hundred kilobytes.
    return psutil.Process().memory_full_info().uss


def main() -> None:
    gc.freeze()
    print(grown(*map(int, sys.argv[1:])))  # noqa: T201


if __name__ == "__main__":
    main()
