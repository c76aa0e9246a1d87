"""The supervising process with real processes: what ends comes back, what is told is true."""

import signal
import stat
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from infra.local import supervisor
from infra.local.home import Home
from infra.local.problems import NotReadyError
from infra.local.supervisor import records
from infra.supervise import NAME, asking, told, wanted
from infra.supervise.probe import Probe
from infra.supervise.told import KeptWorker
from infra.supervise.wanted import Worker
from tests.infra import kept_workers as programs
from tests.infra import local_processes as processes


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    place = processes.home(tmp_path)
    yield place
    supervisor.stop(place.run)
    assert list(records.marked(place.run)) == []


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    file = tmp_path / "journal"
    file.touch()
    return file


def keep(home: Home, workers: Sequence[Worker]) -> list[str]:
    """What `up` prints."""
    said: list[str] = []
    asking.keep(
        home, workers, log_limit_bytes=10_000_000, ready_timeout_s=120.0, report=said.append
    )
    return said


def keeper(home: Home) -> psutil.Process:
    record = records.read(home.run, NAME)
    process = record.process() if record else None
    assert process is not None
    return process


def kept(home: Home, name: str) -> KeptWorker:
    found = told.read(home)
    assert found is not None
    return next(worker for worker in found.workers if worker.name == name)


def pids(home: Home) -> dict[str, int]:
    return {s.name: s.pid for s in supervisor.states(home.run) if s.running and s.name != NAME}


def _until(condition) -> Any:
    """The test's own time limit ends a condition that never comes."""
    waiting = threading.Event()
    while not (answer := condition()):
        waiting.wait(0.02)
    return answer


def test_what_is_killed_is_started_again_and_the_others_are_left_alone(
    home: Home, journal: Path
) -> None:
    workers = [programs.draining(name, journal) for name in ("one", "two")]
    said = keep(home, workers)
    assert sorted(line.partition(":")[0] for line in said) == ["one", NAME, "two"]
    before = pids(home)
    psutil.Process(before["one"]).kill()
    _until(lambda: kept(home, "one").restarts == 1 and kept(home, "one").phase == "ready")
    now = pids(home)
    assert now["one"] != before["one"]
    assert now["two"] == before["two"]
    found = kept(home, "one").last_exit
    assert found is not None
    assert (found.signal, found.code, found.pid) == ("SIGKILL", None, before["one"])
    assert "somebody killed it" in found.sentence
    log = (home.logs / f"{NAME}.log").read_text()
    assert "one was ended by SIGKILL" in log
    assert "it is started again in 0.5 s" in log


def test_one_that_keeps_exiting_waits_longer_each_time_and_says_why(
    home: Home, journal: Path
) -> None:
    workers = [programs.exiting("bad", 13), programs.draining("good", journal)]
    with pytest.raises(NotReadyError) as caught:
        keep(home, workers)
    first = str(caught.value).splitlines()[0]
    assert "bad exited with code 13" in first
    assert "a topic is missing or not as the settings say" in first
    assert "TopicError: nothing is there" in first
    _until(lambda: kept(home, "bad").restarts >= 3)
    log = (home.logs / f"{NAME}.log").read_text()
    waits = [line.rpartition(" in ")[2] for line in log.splitlines() if "bad exited" in line]
    assert waits[:3] == ["0.5 s", "1.0 s", "2.0 s"]
    waiting = _until(lambda: (w := kept(home, "bad")).phase == "waiting" and w)
    assert waiting.pid is None
    assert waiting.starts_at_ms > waiting.last_exit.at_ms
    assert kept(home, "good").phase == "ready"
    assert kept(home, "good").restarts == 0


def test_a_wrong_setting_is_not_tried_three_times(home: Home) -> None:
    said = "TIDEMILL_PARTITIONS: Input should be a valid integer"
    with pytest.raises(NotReadyError, match=f"code 2 .*a setting is wrong .*{said}"):
        keep(home, [programs.exiting("bad", 2, said)])
    assert kept(home, "bad").restarts == 0


def test_a_program_that_is_not_there_is_told(home: Home) -> None:
    with pytest.raises(NotReadyError, match=r"gone could not be started: .*/nowhere/python"):
        keep(home, [Worker(name="gone", command=("/nowhere/python",), env={})])


def test_up_again_changes_nothing_and_tries_the_waiting_ones_at_once(
    home: Home, journal: Path
) -> None:
    workers = [programs.draining("one", journal)]
    keep(home, workers)
    before = pids(home)
    assert keep(home, workers) == [f"one: runs already (pid {before['one']})"]
    assert pids(home) == before

    port = workers[0].ports["TIDEMILL_METRICS_PORT"]
    psutil.Process(before["one"]).kill()
    _until(lambda: kept(home, "one").phase == "waiting")
    with closing(processes.socket.create_server(("127.0.0.1", port))):
        _until(lambda: kept(home, "one").failures >= 4)  # the next start is 8 s away
        found = kept(home, "one").last_exit
        assert found is not None
        assert f"port {port} for one is taken by" in found.sentence
    keep(home, workers)
    assert (kept(home, "one").phase, kept(home, "one").failures) == ("ready", 0)


def test_another_number_starts_and_stops_the_difference(home: Home, journal: Path) -> None:
    one, two, three = (programs.draining(name, journal) for name in ("one", "two", "three"))
    keep(home, [one, two])
    before = pids(home)
    keep(home, [one, two, three])
    assert {name: pid for name, pid in pids(home).items() if name != "three"} == before
    keep(home, [one])
    assert pids(home) == {"one": before["one"]}
    assert sorted(events(journal, "drained")) == ["three", "two"]
    assert [state.name for state in supervisor.states(home.run) if state.keeper] == ["one"]


def test_other_settings_replace_one_at_a_time(home: Home, journal: Path) -> None:
    names = ("one", "two", "three")
    keep(home, [programs.draining(name, journal) for name in names])
    before = pids(home)
    journal.write_text("")
    keep(home, [programs.draining(name, journal, TIDEMILL_SLATE_SIZE="3") for name in names])
    assert before.keys() == pids(home).keys()
    assert not set(before.values()) & set(pids(home).values())
    seen = [line.split() for line in journal.read_text().splitlines()]
    expected = [[what, name] for name in names for what in ("drained", "started", "ready")]
    assert seen == expected
    assert all(kept(home, name).restarts == 1 for name in names)
    assert all(kept(home, name).last_exit is None for name in names), "nobody exited by itself"


def test_bad_settings_stop_at_the_first_worker_and_are_taken_back(
    home: Home, journal: Path
) -> None:
    good = [programs.draining(name, journal) for name in ("one", "two")]
    keep(home, good)
    before, former = pids(home), wanted.read(home)
    with pytest.raises(NotReadyError, match="one exited with code 13"):
        keep(home, [programs.exiting("one", 13), programs.exiting("two", 13)])
    assert pids(home)["two"] == before["two"]
    assert kept(home, "two").phase == "ready"
    asking.take_back(home, former)
    _until(lambda: kept(home, "one").phase == "ready")
    assert good[0].is_ready()
    assert pids(home)["two"] == before["two"]


def test_the_supervisor_told_to_stop_drains_all_and_kills_what_does_not(
    home: Home, journal: Path
) -> None:
    workers = [programs.draining(name, journal) for name in ("one", "two", "suspended")]
    workers.append(programs.stubborn("stubborn", stop_timeout_s=1.0))
    workers.append(programs.exiting("waiting", 14))
    with pytest.raises(NotReadyError):
        keep(home, workers)
    psutil.Process(pids(home)["suspended"]).suspend()
    _until(lambda: (home.logs / "stubborn.log").read_text() == "started\n")
    process = keeper(home)
    process.terminate()
    _until(lambda: not process.is_running() or process.status() == psutil.STATUS_ZOMBIE)
    assert list(records.marked(home.run)) == []
    assert sorted(events(journal, "drained")) == ["one", "suspended", "two"]
    assert "stubborn: did not stop in time and is killed" in (home.logs / f"{NAME}.log").read_text()
    assert [state.name for state in supervisor.states(home.run)] == [NAME]


def test_down_stops_workers_before_servers(home: Home, journal: Path) -> None:
    """Also before a server that was started later than they were."""
    server = processes.answering()
    port = server.ports["TIDEMILL_TEST_PORT"]
    keep(home, [programs.draining("one", journal, ask=port)])
    supervisor.start(home, [server])
    assert set(supervisor.stop(home.run)) == {NAME, "one", "answering"}
    assert events(journal, "drained") == ["one"], "nobody answered any more while it drained"
    assert supervisor.states(home.run) == ()


def test_a_killed_supervisor_takes_its_workers_along_and_up_starts_each_once(
    home: Home, journal: Path
) -> None:
    workers = [programs.draining(name, journal) for name in ("one", "two", "suspended")]
    keep(home, workers)
    suspended = psutil.Process(pids(home)["suspended"])
    suspended.suspend()
    keeper(home).kill()
    _until(lambda: sorted(events(journal, "drained")) == ["one", "two"])
    _until(lambda: set(pids(home)) == {"suspended"})
    keep(home, workers)
    assert not suspended.is_running() or suspended.status() == psutil.STATUS_ZOMBIE
    assert "suspended" in events(journal, "drained")
    marked = [p.pid for p in records.marked(home.run) if p.pid != keeper(home).pid]
    assert sorted(marked) == sorted(pids(home).values())
    assert len(marked) == 3


def test_a_suspended_supervisor_is_told_as_such(
    home: Home, journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(home, [programs.draining("one", journal)])
    monkeypatch.setattr(asking, "_HEARD_S", 0.3)
    keeper(home).suspend()
    with pytest.raises(NotReadyError, match=r"supervisor \(pid \d+\) does not take note"):
        keep(home, [])
    assert set(supervisor.stop(home.run)) == {NAME, "one"}
    assert events(journal, "drained") == ["one"]


def test_an_earlier_up_s_settings_are_not_inherited(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = "import os, time; print(sorted(os.environ), flush=True); time.sleep(600)"
    worker = Worker(name="one", command=(sys.executable, "-c", code), env={"TIDEMILL_REGION": "a"})
    monkeypatch.setenv("TIDEMILL_SLATE_SIZE", "5")
    monkeypatch.setenv("OF_THE_MACHINE", "1")
    keep(home, [worker])
    text = _until((home.logs / "one.log").read_text)
    assert "TIDEMILL_SLATE_SIZE" not in text
    assert "OF_THE_MACHINE" in text
    assert "TIDEMILL_REGION" in text
    assert stat.S_IMODE(home.wanted.stat().st_mode) == 0o600, "it holds passwords"


OPEN, REPLAYING = (
    f'tidemill_phase{{partition="1",tidemill_phase="open"}} {is_open}\n'
    f'tidemill_phase{{partition="1",tidemill_phase="replaying"}} {1 - is_open}\n'
    for is_open in (1, 0)
)
OWNS = '# TYPE tidemill_owned_epoch gauge\ntidemill_owned_epoch{origin="east"} 16\n'
PHASE = "# TYPE tidemill_phase gauge\n"


@pytest.mark.parametrize(
    ("metrics", "answer"),
    [
        ("", "no"),
        (OWNS, "idle"),
        (PHASE + OPEN, "no"),
        (OWNS + PHASE + OPEN, "yes"),
        (OWNS + PHASE + REPLAYING, "no"),
        (OWNS + PHASE + OPEN + REPLAYING.replace('"1"', '"2"'), "no"),
    ],
)
def test_a_worker_is_ready_when_all_it_holds_is_open(
    metrics: str, answer: str, tmp_path: Path
) -> None:
    (tmp_path / "metrics").write_text(metrics)
    served = (tmp_path / "metrics").as_uri()
    assert Probe(served, "tidemill_owned_epoch", "tidemill_phase").answer() == answer


def test_a_server_is_not_kept(home: Home, journal: Path) -> None:
    keep(home, [programs.draining("one", journal)])
    server = replace(processes.answering(), name="beside")
    (started,) = supervisor.start(home, [server])
    keeper(home).send_signal(signal.SIGTERM)
    _until(lambda: not pids(home).keys() - {"beside"})
    assert supervisor.is_ready(server)
    assert pids(home) == {"beside": started.pid}


def events(journal: Path, what: str) -> list[str]:
    lines = [line.split() for line in journal.read_text().splitlines()]
    return [name for happened, name in lines if happened == what]
