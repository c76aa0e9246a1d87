"""The supervisor with real processes: who is started, left alone, stopped, and never touched."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from infra.local import ports, supervisor
from infra.local.home import Home
from infra.local.problems import BusyError, LocalError, NotReadyError, PortTakenError
from infra.local.supervisor import records
from infra.local.supervisor.lock import locked
from tests.infra import local_processes as processes


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    place = processes.home(tmp_path)
    yield place
    supervisor.stop(place.run)
    assert list(records.marked(place.run)) == []


@pytest.fixture
def stranger() -> Iterator[psutil.Process]:
    """A process that is nobody's server."""
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as child:
        yield psutil.Process(child.pid)
        child.kill()


def test_a_started_server_answers_and_is_in_the_states(home: Home) -> None:
    server = processes.answering()
    (started,) = supervisor.start(home, [server])
    assert started.fresh
    assert supervisor.is_ready(server)
    (state,) = supervisor.states(home.run)
    assert (state.name, state.pid, state.running) == ("answering", started.pid, True)
    assert state.resident_bytes > 0
    assert state.log.read_text() == "listening\n"
    assert os.getsid(started.pid) == started.pid, "a Ctrl-C in the terminal would reach it"


def test_a_healthy_server_is_left_alone(home: Home) -> None:
    server = processes.answering()
    (first,) = supervisor.start(home, [server])
    (second,) = supervisor.start(home, [server])
    assert (second.pid, second.fresh) == (first.pid, False)


def test_another_description_replaces_the_process(home: Home) -> None:
    server = processes.answering()
    (first,) = supervisor.start(home, [server])
    (second,) = supervisor.start(home, [replace(server, env={"CHANGED": "1"})])
    assert second.fresh
    assert not psutil.pid_exists(first.pid)


def test_a_killed_server_is_started_again(home: Home) -> None:
    server = processes.answering()
    (first,) = supervisor.start(home, [server])
    psutil.Process(first.pid).kill()
    (second,) = supervisor.start(home, [server])
    assert second.fresh
    assert supervisor.is_ready(server)


def test_an_open_port_is_not_readiness(home: Home) -> None:
    server = processes.silent(ready_timeout_s=2.0)
    with pytest.raises(NotReadyError, match=r"silent did not answer within 2 s.*\n.*listening"):
        supervisor.start(home, [server])
    assert ports.is_free(next(iter(server.ports.values())))
    assert supervisor.states(home.run) == ()


def test_a_server_that_ends_says_its_last_words_of_this_start(home: Home) -> None:
    home.logs.mkdir(parents=True)
    (home.logs / "failing.log").write_text("of last week\n")
    with pytest.raises(NotReadyError, match="ended before it was ready") as caught:
        supervisor.start(home, [processes.failing()])
    assert "the disk is on fire" in str(caught.value)
    assert "of last week" not in str(caught.value)


def test_a_failure_stops_what_this_call_started_and_nothing_else(home: Home) -> None:
    before, beside = processes.answering("before"), processes.answering("beside")
    supervisor.start(home, [before])
    with pytest.raises(NotReadyError):
        supervisor.start(home, [before, beside, processes.failing()])
    assert supervisor.is_ready(before)
    assert not supervisor.is_ready(beside)
    assert [state.name for state in supervisor.states(home.run)] == ["before"]


def test_a_taken_port_is_named_with_its_holder_and_setting(home: Home) -> None:
    port = ports.free_port()
    with closing(processes.socket.create_server(("127.0.0.1", port))):
        with pytest.raises(PortTakenError) as caught:
            supervisor.start(home, [processes.answering(port=port)])
        said = str(caught.value)
        assert f"port {port} for answering is taken by" in said
        assert f"(pid {os.getpid()})" in said
        assert "set TIDEMILL_TEST_PORT to another port" in said
    assert supervisor.states(home.run) == ()


def test_a_program_that_is_not_there_is_a_sentence(home: Home) -> None:
    server = replace(processes.answering(), command=("/nowhere/kafka",))
    with pytest.raises(LocalError, match=r"answering cannot be started: .*/nowhere/kafka"):
        supervisor.start(home, [server])


def test_a_reused_pid_is_never_touched(home: Home, stranger: psutil.Process) -> None:
    (started,) = supervisor.start(home, [processes.answering()])
    record = records.read(home.run, "answering")
    assert record is not None
    records.write(
        home.run,
        records.Record(
            **{
                field: getattr(record, field)
                for field in record.__struct_fields__
                if field != "pid"
            },
            pid=stranger.pid,
        ),
    )
    (state,) = supervisor.states(home.run)
    assert not state.running
    supervisor.stop(home.run)
    assert stranger.is_running()
    assert stranger.status() != psutil.STATUS_ZOMBIE
    assert not psutil.pid_exists(started.pid), "our own process is found by its mark"


def test_a_clock_that_is_set_hides_no_process(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel tells the time of its boot by the clock of the moment."""
    (started,) = supervisor.start(home, [processes.answering()])
    told = psutil.Process(started.pid).create_time()
    booted = psutil._pslinux.boot_time
    monkeypatch.setattr("psutil._pslinux.boot_time", lambda: booted() + 3)
    assert psutil.Process(started.pid).create_time() == told + 3
    (state,) = supervisor.states(home.run)
    assert state.running


def test_a_record_of_before_a_reboot_is_forgotten(home: Home) -> None:
    server = processes.answering()
    (started,) = supervisor.start(home, [server])
    process = psutil.Process(started.pid)
    process.kill()
    process.wait()
    assert supervisor.stop(home.run) == ()
    assert supervisor.states(home.run) == ()


def test_an_orphan_without_a_record_is_replaced(home: Home) -> None:
    """The starting command may die between making the process and writing its record."""
    server = processes.answering()
    (orphan,) = supervisor.start(home, [server])
    records.forget(home.run, server.name)
    (started,) = supervisor.start(home, [server])
    assert started.fresh
    assert not psutil.pid_exists(orphan.pid)


@pytest.mark.parametrize("cut", [b"", b'{"name": "answering", "pid"'])
def test_a_cut_record_is_no_record(home: Home, cut: bytes) -> None:
    server = processes.answering()
    supervisor.start(home, [server])
    records.path(home.run, server.name).write_bytes(cut)
    assert supervisor.states(home.run) == ()
    assert supervisor.start(home, [server])[0].fresh


def test_stop_ends_what_ignores_it_and_its_children(home: Home) -> None:
    server = processes.stubborn()
    (started,) = supervisor.start(home, [server])
    process = psutil.Process(started.pid)
    log = home.logs / "stubborn.log"
    _until(lambda: log.read_text() == "child\n")
    (child,) = process.children()
    assert supervisor.stop(home.run) == ("stubborn",)
    assert not psutil.pid_exists(child.pid) or child.status() == psutil.STATUS_ZOMBIE
    assert not psutil.pid_exists(process.pid)


def test_a_suspended_process_stops_too(home: Home) -> None:
    (started,) = supervisor.start(home, [processes.answering()])
    psutil.Process(started.pid).suspend()
    assert supervisor.stop(home.run) == ("answering",)
    assert not psutil.pid_exists(started.pid)


def test_stop_takes_the_last_one_first_and_only_the_named(home: Home) -> None:
    servers = [processes.answering(name) for name in ("one", "two", "three")]
    for server in servers:
        supervisor.start(home, [server])
    assert supervisor.stop(home.run, ["two"]) == ("two",)
    assert supervisor.is_ready(servers[0])
    assert supervisor.stop(home.run) == ("three", "one")
    assert supervisor.stop(home.run) == ()


def test_two_starts_at_once_make_one_process(home: Home) -> None:
    server = processes.answering()
    pids = []
    threads = [
        threading.Thread(target=lambda: pids.append(supervisor.start(home, [server])[0].pid))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(pids) == 4
    assert len(set(pids)) == 1
    assert len(list(records.marked(home.run))) == 1


def test_who_holds_the_lock_is_named(home: Home) -> None:
    with (
        locked(home.run),
        pytest.raises(BusyError, match=f"pid {os.getpid()}"),
        locked(home.run, wait_s=0.2),
    ):
        pass


def test_ctrl_c_while_starting_leaves_nothing(home: Home) -> None:
    code = f"""
from pathlib import Path
from infra.local import supervisor
from infra.local.home import Home
from tests.infra import local_processes as processes
home = Home(Path({str(home.root)!r}), Path({str(home.tools)!r}))
supervisor.start(home, [processes.answering(), processes.silent(ready_timeout_s=600.0)])
"""
    with subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE) as command:
        # Both are started and the second is being waited for.
        _until(lambda: len(supervisor.states(home.run)) == 2)
        command.send_signal(signal.SIGINT)
        assert b"KeyboardInterrupt" in command.communicate()[1]
    assert list(records.marked(home.run)) == []
    assert supervisor.states(home.run) == ()


def test_a_large_log_is_put_aside(home: Home) -> None:
    server = processes.answering()
    for _ in range(6):
        supervisor.start(home, [server], log_limit_bytes=5)
        supervisor.stop(home.run)
    assert sorted(path.name for path in home.logs.iterdir()) == [
        "answering.log", "answering.log.1", "answering.log.2", "answering.log.3",
    ]  # fmt: skip


def test_a_small_log_is_continued(home: Home) -> None:
    server = processes.answering()
    for _ in range(2):
        supervisor.start(home, [server])
        supervisor.stop(home.run)
    assert (home.logs / "answering.log").read_text() == "listening\n" * 2


def _until(condition) -> None:
    """The test's own time limit ends a condition that never comes."""
    waiting = threading.Event()
    while not condition():
        waiting.wait(0.02)
