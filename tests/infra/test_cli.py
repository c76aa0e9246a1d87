"""The command line without a server: its calls, its exit codes, its sentences."""

import subprocess
import sys
from pathlib import Path

import pytest

from infra.backup.settings import BackupSettings
from infra.cli.main import FAMILIES
from infra.cli.settings import Setting, unknown
from infra.local.settings import LocalSettings
from infra.probing.settings import ProbingSettings
from streams.settings import Settings
from tests.infra.command import (
    NOWHERE,
    called,
    document,
    document_here,
    done,
    environment,
    failed,
    failed_here,
    tidemill,
)

LOG = "user_id,item_id,timestamp\nu1,i1,1700000000\nu2,i2,1700000001\n"


@pytest.mark.parametrize("family", [[], *([name] for name in FAMILIES)], ids=str)
def test_every_family_has_help(family: list[str], tmp_path: Path) -> None:
    answer = called(tmp_path, *family, "--help")
    assert answer.exit_code == 0
    assert answer.stdout.startswith("Usage: tidemill")


def test_help_imports_neither_kafka_nor_the_settings() -> None:
    code = (
        "import sys; from infra.cli.main import app\n"
        "try: app(['--help'])\n"
        "except SystemExit: pass\n"
        "print([name for name in ('torch', 'faust', 'confluent_kafka', 'pydantic') "
        "if name in sys.modules])"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], env=environment(Path.cwd()),
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert answer.stdout.splitlines()[-1] == "[]"


def test_only_what_trains_or_releases_imports_torch() -> None:
    heavy = ("train", "evaluate", "release", "promote", "rollback", "releases")
    light = [FAMILIES[name][0] for name in FAMILIES if name not in heavy]
    modules = ", ".join(f"infra.cli.{name}" for name in light)
    answer = subprocess.run(
        [sys.executable, "-c", f"import sys, {modules}; print('torch' in sys.modules)"],
        env=environment(Path.cwd()), capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert answer.stdout.split() == ["False"]


@pytest.mark.parametrize(
    "call",
    [
        ["teleport"],
        ["topics", "--chek"],
        ["recommend"],
        ["replay", "csv", "--rate", "soon"],
        ["replay", "csv", "--rate", "0"],
        ["replay", "csv", "--rate", "5", "--speed", "2"],
        ["replay", "csv", "--speed", "-1"],
        ["recommend", "kim", "--follow", "--json"],
        ["recommend", ""],
        ["evaluate", "csv", "--protocol", "guess"],
        ["evaluate", "csv", "--until", "80%"],
        ["evaluate", "csv", "--cold", "--encoder", "latin"],
        ["evaluate", "csv", "--peers", "--seeds", "0"],
        ["up", "--workers", "0"],
    ],
    ids=" ".join,
)
def test_a_wrong_call_exits_with_2(call: list[str], tmp_path: Path) -> None:
    answer = called(tmp_path, *call, **NOWHERE)
    assert answer.exit_code == 2
    assert not answer.stdout
    assert answer.stderr.splitlines()[-1].startswith("Error: ")


def test_a_process_ends_with_the_exit_code_and_without_a_traceback(tmp_path: Path) -> None:
    assert tidemill(tmp_path, "teleport").returncode == 2
    answer = tidemill(tmp_path, "topics", **NOWHERE)
    assert answer.returncode == 1
    assert len(answer.stderr.splitlines()) == 1


@pytest.mark.parametrize("family", ["up", "status", "settings", "down"])
def test_a_wrong_setting_is_one_line_that_names_it(family: str, tmp_path: Path) -> None:
    name = "TIDEMILL_KAFKA_PORT"
    answer = called(tmp_path, family, **{name: "soon"})
    assert answer.exit_code == 2
    (line,) = answer.stderr.splitlines()
    assert name in line


@pytest.mark.parametrize(
    "call",
    [
        ["topics"],
        ["topics", "--check"],
        ["recommend", "kim"],
        ["dead-letters", "list"],
        ["dead-letters", "replay"],
        ["backup", "create", "memory://nowhere"],
        ["region", "join", "--from", "127.0.0.1:1"],
        ["replay", "csv"],
    ],
    ids=" ".join,
)
def test_without_kafka_a_command_says_so_in_one_line(call: list[str], tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    log.write_text(LOG)
    data = ["--data", str(log)] if "csv" in call else []
    answer = called(tmp_path, *call, *data, **NOWHERE)
    assert answer.exit_code == 1
    (line,) = answer.stderr.splitlines()
    assert "Kafka at 127.0.0.1:1 does not answer" in line


def test_status_of_nothing_tells_that_nothing_runs(tmp_path: Path) -> None:
    found = document(tmp_path, "status", **NOWHERE)
    assert found["regions"] == {
        "east": {
            "kafka": {"url": "127.0.0.1:1", "ready": False},
            "workers": [],
            "lag": None,
            "owner_of": [],
            "epoch": None,
            "mirror": None,
            "clickhouse": found["clickhouse"],
            "clickhouses": [{"url": "127.0.0.1:1", "ready": False, "behind": None}],
            "prometheus": found["prometheus"],
            "supervisor": None,
        }
    }
    assert found["triton"] == [
        {
            "url": "127.0.0.1:1",
            "ready": False,
            "model": "recommender",
            "version": None,
            "in_flight": None,
            "latency_ms": None,
            "ejected_by": [],
        }
    ]
    assert found["clickhouse"] == {"url": "127.0.0.1:1", "ready": False}
    assert found["prometheus"] == {"url": "http://127.0.0.1:1", "ready": False}
    assert "tidemill up" in done(tmp_path, "status", **NOWHERE)


def test_down_of_nothing_is_done(tmp_path: Path) -> None:
    assert "nothing was running" in done(tmp_path, "down")


def test_a_release_that_is_not_there_and_a_bad_data_set_are_sentences(tmp_path: Path) -> None:
    assert "`tidemill train` makes one" in failed(tmp_path, "release", **NOWHERE)
    assert "'ml-1' is not known" in failed_here(tmp_path, "train", "ml-1")
    missing = ("csv", "--data", str(tmp_path / "no"))
    assert "it does not exist" in failed_here(tmp_path, "train", *missing)
    log = tmp_path / "log.csv"
    log.write_text(LOG + "u3,i3,yesterday\n")
    assert f"{log}:4" in failed_here(tmp_path, "evaluate", "csv", "--data", str(log))


def test_train_writes_a_release_and_its_folder(tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    log.write_text(LOG)
    call = ("train", "csv", "--data", str(log), "--no-evaluate")
    made = document(tmp_path, *call)
    assert (made["model"], made["version"]) == ("recommender", "1")
    assert Path(made["folder"]) == tmp_path / "releases" / "recommender" / "1"
    assert made["training"]["interactions"] == 2
    assert made["training"]["parts"] == ["popular", "transitions", "ease"]
    wrong = called(tmp_path, *call, "--without", "all")
    assert (wrong.exit_code, "the parts are popular" in wrong.stderr) == (2, True)
    past = document_here(tmp_path, *call, "--until", "50%", "--without", "ease")
    assert past["training"]["parts"] == ["popular", "transitions"]
    assert (past["version"], past["training"]["interactions"]) == ("2", 1)


def test_settings_lists_every_setting_and_shows_no_secret(tmp_path: Path) -> None:
    given = {"TIDEMILL_CLICKHOUSE_PASSWORD": "hunter2", "TIDEMILL_SLATE_SIZE": "7"}
    listed = {s["name"]: s for s in document(tmp_path, "settings", **given)}
    parts = (LocalSettings, Settings, BackupSettings, ProbingSettings)
    fields = [name for part in parts for name in part.model_fields]
    assert set(listed) == {f"TIDEMILL_{name.upper()}" for name in fields}
    assert listed["TIDEMILL_SLATE_SIZE"]["value"] == "7"
    assert listed["TIDEMILL_SLATE_SIZE"]["default"] == "10"
    assert listed["TIDEMILL_SLATE_SIZE"]["given"]
    assert all(setting["description"] for setting in listed.values())
    misspelt = given | {"TIDEMILL_SLATE_SIZES": "8"}
    text = done(tmp_path, "settings", **misspelt)
    assert "hunter2" not in text + str(listed)
    assert "TIDEMILL_SLATE_SIZES is in the environment and is no setting" in text


def test_a_misspelt_setting_is_found() -> None:
    known = {
        "TIDEMILL_A": Setting(
            name="TIDEMILL_A", type="int", default="", value="", given=False, description=""
        )
    }
    assert unknown({"TIDEMILL_A": "", "TIDEMILL_AA": "", "PATH": ""}, known) == ["TIDEMILL_AA"]
