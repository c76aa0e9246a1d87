"""`tidemill up --regions east,west`: two regions on one machine, everything real, on free ports."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.local import supervisor
from infra.local.home import Home
from infra.local.supervisor import records
from infra.probing import asking
from infra.workers import prober_address
from tests.infra.command import document, done, failed
from tests.servers.bringing_up import PORTS, write_films
from tests.servers.workers import until

REGIONS = ("east", "west")
SERVERS = {"kafka", "triton", "clickhouse", "prometheus", "mirror"}
WORKERS = {"recommend-1", "archive", "catalogue"}
WAYS = {"kafka", "mirror"}
EVERYTHING = {*SERVERS, *WORKERS, "supervisor", "standby", "prober"}


@pytest.fixture(scope="module")
def given(tools: Path) -> dict[str, str]:
    free = {f"TIDEMILL_{name}_PORT": "0" for name in (*PORTS, "MIRROR")}
    return free | {"TIDEMILL_TOOLS": str(tools)}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    place = tmp_path_factory.mktemp("regions")
    yield place
    for name in REGIONS:
        supervisor.stop(place / "regions" / name / "run")


@pytest.fixture(scope="module")
def told(home: Path, given: dict[str, str]) -> Iterator[str]:
    """Both are brought up and, behind the tests, down again; what `up` said."""
    yield done(home, "up", "--regions", "east,west", **given)
    assert done(home, "down", **given).count("stopped:") == 2
    for name in REGIONS:
        assert not list(records.marked(home / "regions" / name / "run"))
    assert "nothing was running" in done(home, "down", **given)


@pytest.fixture
def films(tmp_path: Path) -> Path:
    return write_films(tmp_path / "films.csv")


def test_each_region_has_all_of_its_own(told: str, home: Path, given: dict[str, str]) -> None:
    assert "east: region east owns itself at epoch 16" in told
    assert "west: region west owns itself at epoch 17" in told
    status = document(home, "status", **given)
    assert list(status["regions"]) == ["east", "west"]
    assert len({triton["url"] for triton in status["triton"] if triton["ready"]}) == 2
    for name, peer in (("east", "west"), ("west", "east")):
        region = status["regions"][name]
        assert region["mirror"] == {"peers": [peer], "ready": True}
        assert region["owner_of"] == [name]
        assert {worker["name"] for worker in region["workers"] if worker["ready"]} == WORKERS
        assert region["clickhouse"]["ready"]
        assert region["prometheus"]["ready"]
        assert _pids(home, name).keys() == EVERYTHING
        own = home / "regions" / name
        assert (own / "data/kafka/meta.properties").exists()
        assert list((own / "data/state/recommend-1").iterdir())
        prober = prober_address(Home(own, home))
        until(f"its prober hears {peer}", lambda at=prober, peer=peer: _ways(at, peer) == WAYS)
    assert not (home / "data").exists()
    assert "MirrorMaker (west)" in done(home, "status", **given)
    # An owner that was made a moment ago is known in the other region when the mirror has it.
    until(
        "each stands by for the other",
        lambda: "not ready" not in done(home, "region", "status", **given),
    )
    told_of = done(home, "region", "status", **given)
    assert "east stands by for west and is ready; heard" in told_of
    assert "west owns west and is ready" in told_of
    assert "users compared with those of west" in told_of
    assert len(document(home, "region", "status", **given)) == 2


@pytest.mark.usefixtures("told")
def test_both_regions_know_a_person_and_serve_a_release(
    home: Path, films: Path, given: dict[str, str]
) -> None:
    """What comes to the east is folded in the west too, and each serves the release by its own
    Triton: the same person asks both, and both know the same of him.
    """
    data = ("csv", "--data", str(films))
    west = given | {"TIDEMILL_REGION": "west"}
    done(home, "replay", *data, **given)
    done(home, "train", *data, "--no-transformer", "--no-evaluate", **given)
    assert document(home, "release", **given)["served"] == {"east": {"version": "1"}}
    until(
        "the west knows of the release",
        lambda: document(home, "release", **west)["served"].keys() == set(REGIONS),
    )
    until("both regions have folded all", lambda: _lag(home, given) == 0)

    def slates() -> list[dict[str, Any]] | None:
        found = [document(home, "recommend", "user-3", **where) for where in (given, west)]
        return found if all(slate["model"] for slate in found) else None

    here, there = until("both score by the release", slates)
    assert [slate["region"] for slate in (here, there)] == list(REGIONS)
    assert here["made_from"]["state"] == there["made_from"]["state"]
    versions = [triton["version"] for triton in document(home, "status", **given)["triton"]]
    assert versions == ["1", "1"]


@pytest.mark.usefixtures("told")
def test_what_was_killed_is_started_again_and_nothing_else(
    home: Path, given: dict[str, str]
) -> None:
    before = {name: _pids(home, name) for name in REGIONS}
    _kill(home, "east", "mirror")
    assert not document(home, "status", **given)["regions"]["east"]["mirror"]["ready"]
    again = done(home, "up", "--regions", "west,east", **given)
    assert again.count("ready after") == 1
    after = {name: _pids(home, name) for name in REGIONS}
    assert after["east"].pop("mirror") != before["east"].pop("mirror")
    assert after == before


@pytest.mark.usefixtures("told")
def test_one_region_alone_is_not_started_beside_them(home: Path, given: dict[str, str]) -> None:
    assert "--regions east,west" in failed(home, "up", **given)
    assert "east,west run here" in failed(home, "up", **given)
    line = failed(home, "topics", **given, TIDEMILL_REGION="south")
    assert "south does not run here, east, west do" in line


def _ways(prober: str | None, region: str) -> set[str]:
    answer = None if prober is None else asking.ask(prober)
    return set() if answer is None else set(answer.report.regions[region].heard_age_s)


def _lag(home: Path, given: dict[str, str]) -> int:
    regions = document(home, "status", **given)["regions"].values()
    return sum(region["lag"]["recommend"] for region in regions)


def _pids(home: Path, region: str) -> dict[str, int]:
    found = supervisor.states(home / "regions" / region / "run")
    return {state.name: state.pid for state in found if state.running}


def _kill(home: Path, region: str, name: str) -> None:
    record = records.read(home / "regions" / region / "run", name)
    process = record.process() if record else None
    assert process is not None
    process.kill()
    until(f"{name} is gone", lambda: record is not None and record.process() is None)
