"""Which regions there are on one machine, where each is, and what a command takes for its own."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from infra.local.endpoints import Endpoints, write
from infra.local.problems import LocalError
from infra.local.settings import LocalSettings
from infra.regions import Region, asked_for, must_not_run, named, running
from streams.settings import Settings
from tests.infra.command import called

PORTS = [name for name in LocalSettings.model_fields if name.endswith("_port")]


@pytest.fixture
def local(tmp_path: Path) -> LocalSettings:
    return LocalSettings(home=tmp_path, tools=tmp_path / "tools")


def bring_up(local: LocalSettings, *peers: str) -> None:
    given = Endpoints(
        **dict.fromkeys(PORTS, 1),
        clickhouse_database="tidemill",
        peers=dict.fromkeys(peers, "127.0.0.1:2"),
    )
    write(local.place, given)


def test_each_has_a_home_a_number_and_ports_of_its_own(local: LocalSettings) -> None:
    east, west = named(local, ["east", "west"])
    assert (east.settings.region_number, west.settings.region_number) == (0, 1)
    assert (east.settings.peers, west.settings.peers) == (("west",), ("east",))
    assert west.local.place.root == local.place.root / "regions/west"
    for shared in ("tools", "releases"):
        assert getattr(west.local.place, shared) == getattr(local.place, shared)
    chosen = [getattr(region.local, name) for region in (east, west) for name in PORTS]
    assert len(set(chosen)) == len(chosen)
    assert [getattr(east.local, name) for name in PORTS] == [getattr(local, n) for n in PORTS]


def test_a_free_port_stays_a_free_one(local: LocalSettings) -> None:
    free = local.model_copy(update=dict.fromkeys(PORTS, 0))
    assert {getattr(one.local, name) for one in named(free, ["a", "b"]) for name in PORTS} == {0}
    high = local.model_copy(update={"prometheus_port": 65_500})
    with pytest.raises(LocalError, match="TIDEMILL_PROMETHEUS_PORT: 65500 is too high for region"):
        named(high, ["a", "b"])


def test_a_number_is_given_for_good(local: LocalSettings) -> None:
    """Two regions that swapped theirs could write the same epoch."""
    first = {region.name: region.settings.region_number for region in named(local, ["x", "y"])}
    again = {region.name: region.settings.region_number for region in named(local, ["y", "a", "x"])}
    assert again == {**first, "a": 2}
    assert [region.name for region in named(local, ["a", "y", "x"])] == ["x", "y", "a"]


@pytest.mark.parametrize("names", [["east"], [], ["east", "east"]])
def test_one_region_is_not_several(local: LocalSettings, names: list[str]) -> None:
    with pytest.raises(LocalError, match="two or more names"):
        named(local, names)


def test_no_more_regions_than_an_epoch_has_room_for(local: LocalSettings) -> None:
    named(local, [f"r{n}" for n in range(16)])
    with pytest.raises(LocalError, match="more than 16"):
        named(local, ["r0", "one-more"])
    assert len(named(local, ["r0", "r15"])) == 2


def test_a_name_that_is_none(local: LocalSettings, tmp_path: Path) -> None:
    with pytest.raises(ValidationError):
        named(local, ["east", "../west"])
    answer = called(tmp_path, "up", "--regions", "east,WEST")
    assert answer.exit_code == 2
    assert not (tmp_path / "regions").exists()


def test_a_command_is_for_the_region_that_is_named_or_the_first(
    local: LocalSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TIDEMILL_REGION", raising=False)
    assert asked_for(local, Settings()) is None
    both = named(local, ["west", "east"])
    assert running(local) == ()
    for region in both:
        bring_up(region.local, *region.settings.peers)
    assert running(local) == both

    def found() -> Region:
        region = asked_for(local, Settings())
        assert region is not None
        return region

    assert found().name == "west"
    monkeypatch.setenv("TIDEMILL_REGION", "east")
    assert (found().name, found().settings.peers) == ("east", ("west",))
    monkeypatch.setenv("TIDEMILL_REGION", "south")
    with pytest.raises(LocalError, match="south does not run here, west, east do"):
        asked_for(local, Settings())


def test_one_region_and_several_do_not_run_side_by_side(local: LocalSettings) -> None:
    must_not_run(local, several=False)
    must_not_run(local, several=True)
    bring_up(local)
    must_not_run(local, several=False)
    with pytest.raises(LocalError, match="one region runs here alone"):
        must_not_run(local, several=True)
    local.place.endpoints.unlink()
    bring_up(named(local, ["east", "west"])[0].local, "west")
    must_not_run(local, several=True)
    with pytest.raises(LocalError, match="the regions east run here"):
        must_not_run(local, several=False)
    assert running(local)[0].settings.peers == ("west",), "a peer that is gone is one"
