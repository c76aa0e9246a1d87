"""Saved, verified, wiped, brought back into a region whose worker runs, and compared."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from infra.backup.create import Asked, create
from infra.backup.joining import region_states, wait
from infra.backup.manifest import Manifest
from infra.backup.place import Place
from infra.backup.restore import opened, restore
from infra.backup.sealing import Key
from infra.backup.verify import verify
from infra.local.settings import LocalSettings
from schemas.state import UserState
from streams.settings import Settings
from streams.state.digests import whole_digest
from tests.benchmarks import machine, servers
from tests.benchmarks.backup.people import write
from tests.benchmarks.options import Chosen
from tests.benchmarks.problems import BenchmarkError
from tests.benchmarks.servers import Servers
from tests.benchmarks.statistics import rounded
from tests.benchmarks.workers import Worker, until_open

Report = Callable[[str], None]
T = TypeVar("T")
_FLUSHED_S = 300.0
_STATES = Asked(tables=False)


@dataclass(frozen=True)
class Options(Chosen):
    """What to measure."""

    benchmark = "backup"
    users: tuple[int, ...] = (1_000_000,)
    partitions: int = 8
    flush_s: float = 5.0
    encrypted: str = "no"
    """yes or no."""


def run(options: Options, local: LocalSettings, report: Report) -> dict[str, Any]:
    """The document of `tidemill bench backup`. Raises BenchmarkError, LocalError."""
    with servers.running(local, options.partitions) as running:
        rows = [_saved(options, running, count, report) for count in options.users]
    return {**machine.head(options.benchmark, options.command), "users": rows, "bars": []}


def tables(document: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """What a person is shown of the document."""
    return {"users": document["users"]}


def _saved(options: Options, running: Servers, users: int, report: Report) -> dict[str, Any]:
    folder = running.home.root / "runs" / f"{users}-users"
    place = Place(str(folder / "kept"))
    key = Key(bytes(range(32))) if options.encrypted == "yes" else None
    anew = running.anew(options.partitions)
    state_bytes = write(anew.settings, users)
    report(f"{users} users with {state_bytes / 1e6:.0f} MB of states are in the changelog")
    create_s, made = _timed(lambda: create(anew.settings, anew.home, place, key, _STATES))
    report(f"saved in {create_s} s, {made.bytes / 1e6:.0f} MB")
    verify_s, _ = _timed(lambda: verify(place, None, key))
    report(f"verified in {verify_s} s")
    anew = running.anew(options.partitions)
    with Worker(anew, "constant", folder, "worker", flush_s=options.flush_s) as worker:
        until_open(worker, options.partitions)
        begun_s = time.monotonic()
        kept = opened(place, None, key)
        done = restore(anew.settings, anew.home, kept)
        sent_s = rounded(time.monotonic() - begun_s)
        wait(anew.settings)
        joined_s = rounded(time.monotonic() - begun_s)
        report(f"{done.states.sent} states sent in {sent_s} s, joined in {joined_s} s")
        _require_equal(anew.settings, made)
        again_s, again = _timed(lambda: restore(anew.settings, anew.home, kept))
        report(f"again in {again_s} s: {again.states.sent} sent; the states are equal")
    return {
        "users": users,
        "state_mb": rounded(state_bytes / 1e6),
        "backup_mb": rounded(made.bytes / 1e6),
        "encrypted": options.encrypted,
        "create_s": create_s,
        "verify_s": verify_s,
        "restore_sent_s": sent_s,
        "restore_joined_s": joined_s,
        "restore_again_s": again_s,
        "sent_again": again.states.sent,
    }


def _timed(what: Callable[[], T]) -> tuple[float, T]:
    begun_s = time.monotonic()
    result = what()
    return rounded(time.monotonic() - begun_s), result


def _require_equal(settings: Settings, made: Manifest) -> None:
    """Returns when the changelog holds exactly what was saved."""
    wanted = 0
    for part in made.states:
        wanted ^= int(part.digest, 16)
    ends_s = time.monotonic() + _FLUSHED_S
    while True:
        with region_states(settings, lambda _: None) as store:
            found = whole_digest((user, UserState.decode(data)) for user, data in store.states())
        if found == f"{wanted:032x}":
            return
        if time.monotonic() > ends_s:
            raise BenchmarkError("the states that came back are not those that were saved")
