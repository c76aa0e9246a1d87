"""So many users: what an event of any of them costs, and how soon a worker has them back.

Everybody acts once, and the worker writes them all down. Then it is started again, with its disk
and without; then a backlog of events of users drawn uniformly is drained twice: first with all
states in the store, then with all of these in memory. Each event is answered, so that the work an
event is the same whatever the number of users; only the states to be written grow with it, and how
many were is said.
"""

import shutil
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from schemas.topics import RECOMMENDATIONS, STATE_CHANGELOG
from tests.benchmarks import events
from tests.benchmarks.events import Load
from tests.benchmarks.servers import Servers
from tests.benchmarks.settling import Settled, settled
from tests.benchmarks.statistics import rounded
from tests.benchmarks.workers import Worker, until, until_open

_SESSION_MS = 300_000
"""Longer than a worker is paused, so that it keeps its partitions."""
_QUIET_S = 1.0


@dataclass(frozen=True)
class Drain:
    """A backlog: how many events, how often a restore is repeated, how long a flush cycle is."""

    events: int
    restores: int
    flush_s: float


def grown(
    servers: Servers, users: int, drain: Drain, folder: Path, report: Callable[[str], None]
) -> dict[str, Any]:
    """On topics made anew."""
    anew = servers.anew(servers.settings.partitions)
    broker = anew.settings.kafka
    events.produce(broker, events.each_user_once(Load(users, users)))
    with _worker(anew, drain, folder, "first") as worker:
        until_open(worker, anew.settings.partitions)
        until(lambda: worker.events() == users, f"{users} users are folded")
        _settled(anew, worker, drain)
    state = folder / "state"
    found: dict[str, Any] = {
        "users": users,
        "disk_bytes_per_user": rounded(_bytes_of(state) / users),
        "changelog_bytes_per_user": rounded(anew.bytes_of(STATE_CHANGELOG.name) / users),
        "disk_mb": rounded(_bytes_of(state) / 1e6),
        "changelog_mb": rounded(anew.bytes_of(STATE_CHANGELOG.name) / 1e6),
    }
    report(f"{users} users: stored in {found['disk_mb']} MB, restoring")
    local = [_restored(anew, drain, folder, f"local-{n}") for n in range(drain.restores)]
    wiped = []
    for number in range(drain.restores):
        shutil.rmtree(state)
        wiped.append(_restored(anew, drain, folder, f"wiped-{number}"))
    found["restore_local_s"] = rounded(statistics.median(local))
    found["restore_changelog_s"] = rounded(statistics.median(wiped))
    with _worker(anew, drain, folder, "drain") as worker:
        until_open(worker, anew.settings.partitions)
        for seed, name in ((1, "cold"), (2, "hot")):
            load = Load(drain.events, users, seed=seed)
            found |= {f"{name}_{key}": v for key, v in _drained(anew, worker, load, drain).items()}
        found["hot_users"] = int(worker.metric("tidemill_users", **{"in": "hot"}))
        found["rss_mb"] = rounded(worker.peak_rss_bytes / 1e6)
    return found


def _worker(servers: Servers, drain: Drain, folder: Path, log: str) -> Worker:
    return Worker(
        servers, "each", folder, log, flush_s=drain.flush_s, session_timeout_ms=_SESSION_MS
    )


def _restored(servers: Servers, drain: Drain, folder: Path, log: str) -> float:
    """Seconds from the worker's assignment until all its partitions are open."""
    with _worker(servers, drain, folder, log) as worker:
        until_open(worker, servers.settings.partitions)
        until(lambda: worker.opened() == servers.settings.partitions, "its log says so")
        return worker.opening_s()


def _drained(servers: Servers, worker: Worker, load: Load, drain: Drain) -> dict[str, Any]:
    """The worker is paused while the backlog is made."""
    before, written = worker.events(), _written(servers)
    worker.pause()
    try:
        events.produce(servers.settings.kafka, events.user_events(load))
        begin = worker.mark()
    finally:
        worker.resume()
    until(lambda: worker.events() == before + load.events, "the backlog is drained")
    end = _settled(servers, worker, drain)
    return {
        "events_per_s": rounded(load.events / (end.answered.at_s - begin.at_s)),
        "cpu_us_per_event": rounded(1e6 * (end.durable.cpu_s - begin.cpu_s) / load.events),
        "states_written_per_event": rounded((_written(servers) - written) / load.events),
    }


def _settled(servers: Servers, worker: Worker, drain: Drain) -> Settled:
    """Every state is in the changelog."""
    return settled(servers, worker, RECOMMENDATIONS.name, drain.flush_s + _QUIET_S)


def _written(servers: Servers) -> int:
    """Records of the changelog, the marks of transactions among them."""
    return servers.ends([STATE_CHANGELOG.name])[STATE_CHANGELOG.name]


def _bytes_of(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
