"""Control records come back where they are above what holds, and never below; ownership only when
it is asked for.
"""

from pathlib import Path

import pytest

from infra import control
from infra.backup.restore import opened, restore
from infra.backup.verify import verify
from schemas.control import Experiment, ModelRelease, Ownership, PastEpoch, Served
from schemas.topics import EXPERIMENTS, MODEL_RELEASES, REGION_OWNERSHIP
from tests.servers.backups import Region
from tests.servers.conftest import RunningKafka


@pytest.fixture
def region(fresh_kafka: RunningKafka, tmp_path: Path) -> Region:
    made = Region(fresh_kafka.bootstrap, tmp_path)
    made.open()
    return made


def release(revision: int) -> ModelRelease:
    return ModelRelease(
        model="recommender", revision=revision, region="east", url="nowhere/{version}", hash="",
        served={"east": Served(version=str(revision))},
    )  # fmt: skip


def experiment(revision: int) -> Experiment:
    return Experiment(name="home", revision=revision, region="east", surface="main", arms=[])


def promoted(counter: int) -> Ownership:
    past = [PastEpoch(epoch=16, owner="east", fences={0: 1})]
    return Ownership(origin="east", epoch=counter * 16 + 1, owner="west", past=past, command_id="c")


def write(region: Region, revision: int) -> None:
    settings = region.settings
    control.write(settings, MODEL_RELEASES, "recommender", release(revision))
    control.write(settings, EXPERIMENTS, "home", experiment(revision))
    control.write(settings, REGION_OWNERSHIP, "east", promoted(revision))


def held(region: Region) -> tuple[int | None, int]:
    """The revision of the release, and the epoch of the origin."""
    found = control.releases(region.settings).current("recommender")
    ownership = control.ownerships(region.settings).current("east")
    assert ownership is not None
    return found.revision if found else None, ownership.epoch


def test_an_older_record_never_comes_back(region: Region) -> None:
    write(region, 5)
    region.save()
    write(region, 7)
    done = restore(region.settings, region.home, opened(region.place, None, None), ownership=True)
    assert done.control == {"region-ownership": [], "model-releases": [], "experiments": []}
    assert held(region) == (7, 7 * 16 + 1)


def test_a_wiped_region_has_its_releases_again_and_its_owner_when_asked(region: Region) -> None:
    write(region, 5)
    region.save()
    assert verify(region.place, None, None)[0].control[0].records == 1
    region.wipe()
    assert held(region) == (None, 16)
    kept = opened(region.place, None, None)
    done = restore(region.settings, region.home, kept)
    assert done.control == {"model-releases": ["recommender"], "experiments": ["home"]}
    assert held(region) == (5, 16)
    done = restore(region.settings, region.home, kept, ownership=True)
    assert done.control == {
        "region-ownership": ["east"], "model-releases": [], "experiments": [],
    }  # fmt: skip
    assert held(region) == (5, 5 * 16 + 1)
    found = control.ownerships(region.settings).current("east")
    assert found == promoted(5)
