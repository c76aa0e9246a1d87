"""`tidemill up` to `tidemill down` in a home of its own: everything real, on free ports."""

import hashlib
import io
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from infra.local import supervisor
from infra.local.supervisor import records
from schemas.releases import GOLDEN, MANIFEST
from tests.infra.command import document, done, environment, failed
from tests.servers.bringing_up import PORTS, write_films
from tests.servers.workers import until


@pytest.fixture
def given(tools: Path) -> dict[str, str]:
    return {f"TIDEMILL_{name}_PORT": "0" for name in PORTS} | {"TIDEMILL_TOOLS": str(tools)}


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    supervisor.stop(tmp_path / "run")


@pytest.fixture
def films(tmp_path: Path) -> Path:
    return write_films(tmp_path / "films.csv")


def test_up_release_restart_and_down(home: Path, films: Path, given: dict[str, str]) -> None:
    text = done(home, "up", "--workers", "2", **given)
    assert "region east owns itself at epoch 16" in text
    assert "No model is released yet" in text
    again = done(home, "up", **given)
    assert again.count("runs already") == 8
    assert "ready after" not in again
    status = document(home, "status", **given)
    (region,) = status["regions"].values()
    assert sorted(worker["name"] for worker in region["workers"]) == [
        "archive", "catalogue", "recommend-1", "recommend-2",
    ]  # fmt: skip
    assert all(worker["ready"] for worker in region["workers"])
    held = [
        (one["partition"], one["phase"])
        for worker in region["workers"]
        for one in worker["partitions"]
        if worker["stage"] == "recommend"
    ]
    assert sorted(held) == [(number, "open") for number in range(8)]
    assert "hot/users" in done(home, "status", "--partitions", **given)
    assert (region["owner_of"], region["epoch"]) == (["east"], 16)
    assert region["lag"] == {"recommend": 0, "catalogue": 0, "archive": 0}
    assert status["supervisor"]["running"]
    assert all((w["restarts"], w["last_exit"]) == (0, None) for w in region["workers"])
    assert status["clickhouse"]["ready"]
    assert status["prometheus"]["ready"]

    data = ("csv", "--data", str(films))
    done(home, "replay", *data, **given)
    done(home, "train", *data, "--no-transformer", "--no-evaluate", **given)
    record = document(home, "release", **given)
    assert (record["revision"], record["served"]) == (1, {"east": {"version": "1"}})

    def scored_by() -> str | None:
        slate = document(home, "recommend", "user-3", **given)
        return slate["model"]["version"] if slate["model"] else None

    until("the workers ask for the release", lambda: scored_by() == "1")
    done(home, "train", *data, "--no-transformer", "--no-evaluate", **given)
    break_golden(home / "releases" / "recommender" / "2")
    assert "golden" in failed(home, "release", **given)
    (triton,) = document(home, "status", **given)["triton"]
    assert (triton["ready"], triton["version"]) == (True, "1")
    assert scored_by() == "1", "the old version goes on"

    canary_promotion_and_rollback(home, data, given, scored_by)

    assert "kafka" in done(home, "down", **given)
    assert not list(records.marked(home / "run"))
    back = done(home, "up", "--workers", "1", **given)
    assert "recommender 1 loaded, its golden outputs are right" in back
    assert scored_by() == "1"
    assert "recommend-2" not in back

    asked = subprocess.run(
        [sys.executable, "-m", "infra.cli", "up", "--fresh"],
        env=environment(home, **given), input="n\n", capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert asked.returncode == 1
    assert document(home, "status", **given)["triton"][0]["version"] == "1"


def test_the_number_and_the_settings_of_workers_change_while_they_run(
    home: Path, given: dict[str, str]
) -> None:
    def ready() -> dict[str, int]:
        (region,) = document(home, "status", **given)["regions"].values()
        return {worker["name"]: worker["pid"] for worker in region["workers"] if worker["ready"]}

    def pids(count: int) -> dict[str, int]:
        found = ready()
        assert len(found) == count
        return found

    done(home, "up", **given)
    one = pids(3)
    done(home, "up", "--workers", "2", **given)
    two = pids(4)
    assert {**two, **one} == two, "those that ran already were left alone"
    assert two.keys() - one.keys() == {"recommend-2"}

    (home / "no-folder").touch()
    line = failed(home, "up", **given, TIDEMILL_STATE_DIR=str(home / "no-folder"))
    assert "recommend-1 exited with code" in line
    assert "Not a directory" in line
    until("the former settings are back", lambda: ready().keys() == two.keys())
    back = pids(4)
    assert {name for name in two if back[name] == two[name]} >= {"recommend-2"}

    text = done(home, "up", **given, TIDEMILL_SLATE_SIZE="5")
    assert text.count("ready after") == 4
    assert not set(pids(4).values()) & set(back.values())
    done(home, "up", "--workers", "1", **given, TIDEMILL_SLATE_SIZE="5")
    assert pids(3).keys() == one.keys()
    assert "recommend-1" in done(home, "down", **given)
    assert not list(records.marked(home / "run"))


def test_two_clickhouses_are_filled_each_by_a_worker_of_its_own(
    home: Path, given: dict[str, str]
) -> None:
    def found() -> tuple[set[str], list[bool]]:
        (region,) = document(home, "status", **given)["regions"].values()
        workers = {worker["name"] for worker in region["workers"] if worker["ready"]}
        return workers, [one["ready"] for one in region["clickhouses"]]

    text = done(home, "up", **given, TIDEMILL_CLICKHOUSE_REPLICAS="2")
    assert "clickhouse-2: 0001_tables.sql" in text
    assert text.count("(database tidemill)") == 2
    both = {"recommend-1", "archive", "archive-2", "catalogue"}
    until("both are filled", lambda: found() == (both, [True, True]))
    done(home, "up", **given)
    assert found() == (both - {"archive-2"}, [True])
    left = {state.name for state in supervisor.states(home / "run") if state.running}
    assert "clickhouse-2" not in left


def canary_promotion_and_rollback(
    home: Path, data: tuple[str, ...], given: dict[str, str], scored_by: Callable[[], str | None]
) -> None:
    """Version 1 is served before and behind."""
    assert "no canary is served" in failed(home, "promote", **given)
    done(home, "train", *data, "--no-transformer", "--no-evaluate", "--without", "ease", **given)
    record = document(home, "release", "--canary", "30", **given)
    assert record["served"] == {"east": {"version": "1", "canary": {"version": "3", "share": 0.3}}}
    listed = {one["version"]: one for one in document(home, "releases", **given)}
    assert (listed["1"]["served"], listed["3"]["canary"]) == (["east"], {"east": 0.3})
    record = document(home, "promote", **given)
    assert record["served"] == {"east": {"version": "3", "before": "1"}}
    until("the canary is for all", lambda: scored_by() == "3")
    assert "recommender 1 is served in east" in done(home, "rollback", **given)
    until("the old version is back", lambda: scored_by() == "1")


def break_golden(folder: Path) -> None:
    """A release whose golden outputs no server gives, whole in all else."""
    with np.load(folder / GOLDEN) as file:
        arrays = dict(file)
    arrays["SCORES"] = arrays["SCORES"] * 2
    golden = io.BytesIO()
    np.savez(golden, **arrays)
    (folder / GOLDEN).write_bytes(golden.getvalue())
    manifest: dict[str, Any] = msgspec.json.decode((folder / MANIFEST).read_bytes())
    manifest["files"][GOLDEN] = hashlib.sha256(golden.getvalue()).hexdigest()
    (folder / MANIFEST).write_bytes(msgspec.json.encode(manifest))


def test_a_port_that_is_taken_is_named_with_its_process(home: Path, given: dict[str, str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        line = failed(home, "up", **given | {"TIDEMILL_PROMETHEUS_PORT": str(port)})
    assert str(port) in line
    assert f"pid {os.getpid()}" in line
    assert "TIDEMILL_PROMETHEUS_PORT" in line
    assert not list(records.marked(home / "run"))


def test_ctrl_c_leaves_nothing_running(home: Path, given: dict[str, str]) -> None:
    command = [sys.executable, "-m", "infra.cli", "up"]
    with subprocess.Popen(
        command, env=environment(home, **given), stdout=subprocess.PIPE, text=True
    ) as starting:
        assert starting.stdout is not None
        for line in starting.stdout:
            if "owns itself" in line:  # the servers run and the workers are about to start
                starting.send_signal(signal.SIGINT)
                break
        starting.communicate(timeout=120)
    assert starting.returncode != 0
    left = [process for process in records.marked(home / "run") if process.is_running()]
    assert not left, [process.name() for process in left]
    assert not (home / "run" / "endpoints.json").exists()
