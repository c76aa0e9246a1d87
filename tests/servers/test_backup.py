"""Backups of a region on a real Kafka with real workers: made under load, brought back by joining
into a region that was wiped, and refused when anything is not as it was written.
"""

import os
import random
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from confluent_kafka import Producer

from infra.backup import chain, joining
from infra.backup.problems import BackupError, DamagedError, KeyFileError
from infra.backup.restore import Restored, opened
from infra.backup.sealing import Key
from infra.backup.unfinished import NAME as BEGUN
from infra.backup.verify import verify
from schemas.state import Position, UserState
from schemas.topics import STATE_JOINS, USER_EVENTS
from streams.lane.forwarding import partition_of
from streams.settings import Settings
from tests.infra.command import document, environment, failed, tidemill
from tests.servers.backups import Region, write_states
from tests.servers.conftest import RunningKafka
from tests.servers.states import (
    USERS,
    _read,
    changelog,
    check_slates,
    flushed,
    folded,
    in_changelog,
    put,
    send,
)
from tests.servers.workers import CHECKOUT, DEADLINE_S, Log, Worker, event, until
from tests.streams.user_states import NOW_MS, state_of

Start = Callable[..., Worker]
KEYS = {"plain": None, "encrypted": Key(bytes(range(32)))}
STATES = {
    user: state_of(
        [("click", 100 + n, NOW_MS + n), ("view", 7, NOW_MS + 50)], seen={n: (NOW_MS, 1)}
    )
    for n, user in enumerate(USERS)
}


@pytest.fixture
def region(fresh_kafka: RunningKafka, tmp_path: Path) -> Region:
    made = Region(fresh_kafka.bootstrap, tmp_path)
    made.open()
    return made


@pytest.fixture
def start(start_worker: Start, region: Region) -> Start:
    """Workers of the region that flush soon."""

    def started(**settings: object) -> Worker:
        given = {"flush_s": 0.5, "state_dir": region.state_dir, "partitions": region.partitions}
        return start_worker(**(given | {"session_timeout_ms": 2_500} | settings))

    return started


@pytest.fixture(params=KEYS)
def saved(request: pytest.FixtureRequest, region: Region) -> Region:
    """A region without workers, with a full and an incremental backup."""
    region.key = KEYS[request.param]
    write_states(region.bootstrap, STATES)
    region.save()
    write_states(region.bootstrap, {"new-1": STATES[USERS[0]], USERS[1]: STATES[USERS[2]]})
    assert region.save().kind == "incremental"
    return region


def test_a_wiped_region_has_every_state_again(region: Region, start: Start) -> None:
    """Saved while events come in, brought back while events come in."""
    worker = start()
    region.people(800, seed=1, users=USERS)
    stream = threading.Thread(target=send, args=(region.bootstrap, 3_000), kwargs={"seed": 2})
    stream.start()
    assert region.save().kind == "full"
    stream.join()
    flushed(region.bootstrap)
    assert region.save().kind == "incremental"
    before = folded(region.bootstrap)
    worker.stop()
    region.wipe()
    assert not in_changelog(region.bootstrap)
    start()
    again = [*USERS[:5], "somebody"]
    stream = threading.Thread(
        target=send, args=(region.bootstrap, 2_000), kwargs={"seed": 3, "users": again}
    )
    stream.start()
    done = region.bring_back().states
    stream.join()
    assert done.sent
    expected = folded(region.bootstrap, onto=before)
    assert {user: expected[user] for user in USERS[5:]} == {u: before[u] for u in USERS[5:]}
    until("the changelog has them", lambda: in_changelog(region.bootstrap) == expected)
    check_slates(region.bootstrap, expected, "after")


def test_joining_a_backup_again_sends_nothing(region: Region, start: Start) -> None:
    start()
    region.people(400, seed=1, users=USERS)
    region.save()
    before = changelog(region.bootstrap)
    done = region.bring_back()
    assert (done.states.read, done.states.here, done.states.sent) == (40, 40, 0)
    assert not _read(region.bootstrap, STATE_JOINS.name)
    assert changelog(region.bootstrap) == before


def test_an_interrupted_restore_goes_on_where_it_was(region: Region, start: Start) -> None:
    write_states(region.bootstrap, STATES)
    region.save()
    region.wipe()
    some = dict(list(STATES.items())[:25])
    put(region.bootstrap, STATE_JOINS.name, [(u, state.encode()) for u, state in some.items()])
    start()
    until("the first are in the changelog", lambda: in_changelog(region.bootstrap) == some)
    done = region.bring_back().states
    assert (done.here, done.sent) == (25, len(STATES) - 25)
    until("all are there", lambda: in_changelog(region.bootstrap) == STATES)


def test_a_sender_waits_for_workers(
    region: Region, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While they are held up only so much is sent; once they go on, all of it."""
    monkeypatch.setattr(joining, "AHEAD", 100)
    monkeypatch.setattr(joining, "_LOOK_EVERY", 50)
    monkeypatch.setattr(joining, "_NOBODY_S", DEADLINE_S)
    waits = threading.Event()
    look = joining.positions.last

    def looked(settings: Settings, partition: int) -> Position:
        waits.set()
        return look(settings, partition)

    many = {f"guest-{n}": STATES[USERS[0]] for n in range(1_000)}
    write_states(region.bootstrap, many)
    region.save()
    region.wipe()
    worker = start(session_timeout_ms=60_000)
    until("it runs", lambda: worker.log.read_text().count("is open") == region.partitions)
    worker.signal(signal.SIGSTOP)
    monkeypatch.setattr(joining.positions, "last", looked)
    done: list[Restored] = []
    bringing = threading.Thread(target=lambda: done.append(region.bring_back()))
    bringing.start()
    joins = Log(region.bootstrap, STATE_JOINS.name)
    joins.wait_for(100)
    for _ in range(3):  # it looks again and again, and sends no more
        waits.clear()
        assert waits.wait(DEADLINE_S)
        assert len(joins.read()) <= 150
    joins.close()
    assert not done
    worker.signal(signal.SIGCONT)
    bringing.join(DEADLINE_S)
    assert done[0].states.sent == 1_000
    until("all are there", lambda: in_changelog(region.bootstrap) == many)


def test_without_workers_everything_is_sent(
    region: Region, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(joining, "AHEAD", 10)
    monkeypatch.setattr(joining, "_LOOK_EVERY", 15)
    monkeypatch.setattr(joining, "_NOBODY_S", 0.1)
    write_states(region.bootstrap, STATES)
    region.save()
    region.wipe()
    done = region.bring_back(wait_for_workers=False).states
    assert (done.sent, done.waited) == (len(STATES), False)
    assert len(_read(region.bootstrap, STATE_JOINS.name)) == len(STATES)
    monkeypatch.setattr(joining, "_WAIT_S", 0.1)
    with pytest.raises(BackupError, match="no worker took any"):
        joining.wait(region.settings)


def test_an_erased_user_stays_erased(region: Region, start: Start) -> None:
    start()
    region.people(400, seed=1, users=USERS)
    old = region.save()
    gone = USERS[7]
    erase = event("erase-1", gone, "erase", item_id=None)
    put(region.bootstrap, USER_EVENTS.name, [(gone, erase)])
    flushed(region.bootstrap)
    after = in_changelog(region.bootstrap)
    assert after[gone].erased_to_ms
    assert not after[gone].history
    done = region.bring_back(old.id)
    assert done.states.here == len(USERS), "what the backup knows of him would change nothing"
    # Nor where his state is sent all the same, as to a region that had not heard of the erasure.
    old_state = next(state for user, state in opened(region.place, old.id, None).states()
                     if user.decode() == gone)  # fmt: skip
    put(region.bootstrap, STATE_JOINS.name, [(gone, old_state)])
    check_slates(region.bootstrap, after, "after", [gone])
    until("it is flushed", lambda: in_changelog(region.bootstrap) == after)


def test_an_incremental_backup_holds_only_who_changed(region: Region, start: Start) -> None:
    start()
    region.people(400, seed=1, users=USERS)
    full = region.save()
    assert (full.kind, full.users) == ("full", len(USERS))
    assert region.save().users == 0
    region.people(30, seed=2, users=USERS[3:6])
    changed = region.save()
    assert (changed.kind, changed.users) == ("incremental", 3)
    assert changed.bytes < full.bytes / 4
    everything = {
        u.decode(): UserState.decode(s) for u, s in opened(region.place, None, None).states()
    }
    assert everything == in_changelog(region.bootstrap)
    assert region.save(full=True).users == len(USERS)


def test_a_changelog_made_again_is_saved_in_full(region: Region) -> None:
    write_states(region.bootstrap, STATES)
    first = region.save()
    region.wipe()
    write_states(region.bootstrap, STATES)
    second = region.save()
    assert (first.kind, second.kind) == ("full", "full")
    assert first.topics != second.topics


def test_what_hangs_in_a_transaction_is_in_the_next_backup(region: Region) -> None:
    """read_committed does not show it to the first; the second begins before it."""
    hanging = Producer({"bootstrap.servers": region.bootstrap, "transactional.id": "hanging"})
    hanging.init_transactions(DEADLINE_S)
    hanging.begin_transaction()
    write_states(region.bootstrap, {"late": STATES[USERS[0]]}, hanging)
    write_states(region.bootstrap, STATES)
    first = region.save()
    hanging.commit_transaction(DEADLINE_S)
    region.save()
    everything = {
        u.decode(): UserState.decode(s) for u, s in opened(region.place, None, None).states()
    }
    assert "late" not in dict(opened(region.place, first.id, None).states())
    assert everything == STATES | {"late": STATES[USERS[0]]}


def test_a_region_with_more_partitions_takes_a_backup(region: Region, start: Start) -> None:
    write_states(region.bootstrap, STATES)
    region.save()
    region.wipe(partitions=12)
    start()
    region.bring_back()
    until("all are there", lambda: in_changelog(region.bootstrap) == STATES)
    placed = {(p, key[1:].decode()) for p, key in changelog(region.bootstrap) if key[:1] == b"U"}
    assert placed == {(partition_of(user, 12), user) for user in STATES}


def test_states_are_those_that_were_saved(saved: Region) -> None:
    newer = STATES | {"new-1": STATES[USERS[0]], USERS[1]: STATES[USERS[2]]}
    assert in_backup(saved) == newer
    assert [link.users for link in verify(saved.place, None, saved.key)] == [len(STATES), 2]


def test_a_flipped_byte_is_refused(saved: Region) -> None:
    """In every file, at its start, middle and end; nothing is joined of what is whole."""
    files = [p for p in (saved.folder / "kept").rglob("*") if p.is_file() and p.name != BEGUN]
    assert len(files) == 2 * (saved.partitions + 3 + 1)
    for file in files:
        content = file.read_bytes()
        for at in sorted({0, len(content) // 2, len(content) - 1}) if content else ():
            file.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
            with pytest.raises(DamagedError, match=file.name) as refused:
                saved.bring_back(_newest(saved), wait_for_workers=False)
            assert "offset" in str(refused.value)
            with pytest.raises(DamagedError):
                verify(saved.place, _newest(saved), saved.key)
        file.write_bytes(content[:-1] if content else b"more")
        with pytest.raises(DamagedError):
            saved.bring_back(_newest(saved), wait_for_workers=False)
        file.write_bytes(content)
    (saved.folder / "kept" / _newest(saved) / "states-3").unlink()
    with pytest.raises(DamagedError, match="missing"):
        saved.bring_back(wait_for_workers=False)
    assert not _read(saved.bootstrap, STATE_JOINS.name)


def test_only_its_key_opens_a_backup(region: Region) -> None:
    region.key = KEYS["encrypted"]
    write_states(region.bootstrap, STATES)
    region.save()
    for other in (None, Key(bytes(32))):
        with pytest.raises(KeyFileError):
            opened(region.place, None, other)
    content = b"".join(p.read_bytes() for p in (region.folder / "kept").rglob("*") if p.is_file())
    assert USERS[0].encode() not in content


@pytest.mark.parametrize("files", [1, 5, 0])
def test_a_create_that_dies_leaves_no_backup(files: int, region: Region, tools: Path) -> None:
    write_states(region.bootstrap, STATES)
    url = str(region.folder / "kept")
    died = subprocess.run(
        [sys.executable, "-m", "tests.servers.dying_backup", str(files), url],
        cwd=CHECKOUT,
        env=environment(region.home.root, TIDEMILL_KAFKA=region.bootstrap,
                        TIDEMILL_TOOLS=str(tools)),
        check=False,
    )  # fmt: skip
    assert died.returncode == -signal.SIGKILL
    (left,) = chain.found(region.place)
    assert left.is_unfinished
    with pytest.raises(BackupError, match="no finished backup"):
        opened(region.place, None, None)
    made = region.save()
    assert [one.id for one in chain.found(region.place)] == [made.id]
    assert dict(verify(region.place, None, None)[0].topics)


@pytest.mark.parametrize("what", ["place", "scratch"])
def test_a_full_disk_leaves_no_backup_and_the_next_one_is_whole(
    what: str, region: Region, tools: Path
) -> None:
    """Where the backup goes, and where states are sorted on the way."""
    given = {"TIDEMILL_KAFKA": region.bootstrap, "TIDEMILL_TOOLS": str(tools),
             "TIDEMILL_CLICKHOUSE": "127.0.0.1:1"}  # fmt: skip
    seeded = random.Random(1)
    many = {
        f"guest-{n}": state_of([("click", seeded.getrandbits(63), NOW_MS + at) for at in range(50)])
        for n in range(10_000)
    }
    write_states(region.bootstrap, many)
    first = region.save()
    url = str(region.folder / "kept")
    with small_disk(region.folder / "kept" if what == "place" else region.folder / "tmp"):
        (region.folder / "tmp").mkdir(exist_ok=True)
        answer = tidemill(
            region.home.root, "backup", "create", url, "--full",
            **given, TMPDIR=str(region.folder / "tmp"),
        )  # fmt: skip
        assert answer.returncode == 1, answer.stderr
        told = answer.stderr.splitlines()[-1]
        assert "No space left" in told or "File too large" in told
        assert not chain.finished(chain.found(region.place)) or what == "scratch"
    if what == "scratch":
        assert [one.id for one in verify(region.place, None, None)] == [first.id]
    made = region.save(full=True)
    assert [one.is_unfinished for one in chain.found(region.place)] == [False, False]
    assert [one.users for one in verify(region.place, made.id, None)] == [len(many)]


def test_the_command_saves_lists_verifies_and_brings_back(
    region: Region, start: Start, tools: Path
) -> None:
    given = {"TIDEMILL_KAFKA": region.bootstrap, "TIDEMILL_TOOLS": str(tools),
             "TIDEMILL_CLICKHOUSE": "127.0.0.1:1",
             "TIDEMILL_PARTITIONS": str(region.partitions)}  # fmt: skip
    url, home = f"file://{region.folder}/kept", region.home.root
    assert "no finished backup" in failed(home, "backup", "verify", url, **given)
    write_states(region.bootstrap, STATES)
    made = document(home, "backup", "create", url, **given)
    assert (made["kind"], made["users"], made["control"]["region-ownership"]) == (
        "full", len(STATES), 1,
    )  # fmt: skip
    assert made["tables_problem"].startswith("ClickHouse at 127.0.0.1:1")
    assert document(home, "backup", "list", url, **given)["backups"][0]["id"] == made["id"]
    assert document(home, "backup", "verify", url, **given)["good"][0]["id"] == made["id"]
    region.wipe()
    start()
    done = document(home, "backup", "restore", url, "--wait", **given)
    assert done["restored"]["states"] == {
        "read": len(STATES), "sent": len(STATES), "here": 0, "waited": True,
    }  # fmt: skip
    until("all are there", lambda: in_changelog(region.bootstrap) == STATES)


def test_a_schedule_makes_backups_and_keeps_the_newest(region: Region, tools: Path) -> None:
    write_states(region.bootstrap, STATES)
    url = str(region.folder / "kept")
    given = {"TIDEMILL_KAFKA": region.bootstrap, "TIDEMILL_TOOLS": str(tools),
             "TIDEMILL_CLICKHOUSE": "127.0.0.1:1"}  # fmt: skip
    with subprocess.Popen(
        [sys.executable, "-m", "infra.cli", "backup", "schedule", url, "--every", "1s",
         "--keep", "2", "--chain", "2"],
        env=environment(region.home.root, **given),
        stdout=subprocess.PIPE,
        text=True,
    ) as schedule:  # fmt: skip
        try:
            ids: set[str] = set()

            def seen() -> bool:
                ids.update(one.id for one in chain.finished(chain.found(region.place)))
                return len(ids) >= 5

            until("five were made", seen)
        finally:
            schedule.send_signal(signal.SIGTERM)
        said, _ = schedule.communicate(timeout=DEADLINE_S)
    assert schedule.returncode == 0, said
    assert "verified" in said
    left = chain.found(region.place)
    assert 2 <= len(left) <= 3, "two, and what the older of them goes on from"
    assert verify(region.place, None, None)


@contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """A disk of a megabyte over the folder, or no file larger than that, where nobody may mount."""
    folder.mkdir(exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if (
        os.geteuid() == 0
        and subprocess.run(mount, check=False, capture_output=True).returncode == 0
    ):
        try:
            yield
        finally:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)
        return
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64 * 1024, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def in_backup(region: Region) -> dict[str, UserState]:
    """Of each user the newest of his states in the chain."""
    states = opened(region.place, None, region.key).states()
    return {user.decode(): UserState.decode(data) for user, data in states}


def _newest(region: Region) -> str:
    return max(p.name for p in (region.folder / "kept").iterdir())
