"""What a hot user costs in memory: the real `Users`, filled by the real fold, measured as the
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
from pathlib import Path

import psutil

from schemas.events import AnyEvent, Click, Impression
from schemas.state import HISTORY_LIMIT, MAP_LIMITS, MAPS
from streams.state.flushing import FlushCycle
from streams.state.fold import fold
from streams.state.store import Store
from streams.state.users import Users
from tests.benchmarks.problems import BenchmarkError
from tests.benchmarks.processes import CHECKOUT
from tests.benchmarks.statistics import rounded

_NOW_MS = 1_700_000_000_000
_MAP = "seen"
_MAP_LIMIT = MAP_LIMITS[MAPS.index(_MAP)]
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
        users, first = Users(store), count // 5
        _fill(users, range(first), clicks, impressions)
        before = _resident()
        _fill(users, range(first, count), clicks, impressions)
        size_bytes = _resident() - before
        assert users.hot == count
        store.close()
    return size_bytes / (count - first)


def _fill(users: Users, numbers: range, clicks: int, impressions: int) -> None:
    for number, user in itertools.product(range(clicks), numbers):
        _fold(users, click(user, number))
    for number, user in itertools.product(range(impressions), numbers):
        _fold(users, impression(user, number))
    cycle = FlushCycle(1.0, 0.0, {})
    while cycle.take(users, {}, 0.0, whole=True).marker is None:
        pass


def _fold(users: Users, event: AnyEvent) -> None:
    before = users.get(event.user_id)
    users.put(event.user_id, fold(before, event, event.at_ms))


def _resident() -> int:
    gc.collect()
    # Its pages one by one: the kernel's running count (rss) is behind by some hundred kilobytes.
    return psutil.Process().memory_full_info().uss


def main() -> None:
    gc.freeze()
    print(grown(*map(int, sys.argv[1:])))  # noqa: T201


if __name__ == "__main__":
    main()
