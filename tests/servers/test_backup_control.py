"""Control records come back where they are above what holds, and never below; ownership only when
it is asked for.
"""

from pathlib import Path

import pytest

from inference import releases
from inference.releases import store
from inference.training import train
from infra import control
from infra.backup import artifacts
from infra.backup.restore import opened, restore
from infra.backup.verify import verify
from infra.local.home import Home
from schemas.control import Experiment, ModelRelease, Ownership, PastEpoch, Served
from schemas.serving import MODEL
from schemas.topics import EXPERIMENTS, MODEL_RELEASES, REGION_OWNERSHIP
from tests.inference.logs import chains
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


def test_a_release_that_only_the_store_has_is_saved_and_put_back(
    region: Region, tmp_path: Path
) -> None:
    """Another machine made and served it; later store and machine are gone."""
    artifact_store = str(tmp_path / "store")
    folder = releases.write(train(chains()), tmp_path / "elsewhere", {})
    url = store.put(folder, artifact_store)
    served = Served(version=folder.name)
    record = ModelRelease(
        model=MODEL, revision=1, region="west", url=url, hash="", served={"west": served}
    )
    control.write(region.settings, MODEL_RELEASES, MODEL, record)
    made = region.save()
    assert [(one.model, one.version) for one in made.releases] == [(MODEL, folder.name)]
    assert made.missing_releases == []
    region.wipe()
    (tmp_path / "store").rename(tmp_path / "lost")
    home = Home(region.home.root, region.home.tools, artifacts=artifact_store)
    kept = opened(region.place, None, None)
    name = f"{MODEL}/{folder.name}"
    done = restore(region.settings, home, kept)
    assert (done.releases, done.stored) == ([name], [name])
    back = store.fetch(url, folder.name, tmp_path / "third", MODEL)
    assert {p.name: p.read_bytes() for p in back.iterdir()} == {
        p.name: p.read_bytes() for p in folder.iterdir()
    }
    assert artifacts.put(region.settings, home) == []


def test_a_release_that_is_not_to_be_had_is_named(region: Region) -> None:
    write(region, 5)  # from a folder of another machine
    (missing,) = region.save().missing_releases
    assert missing.startswith("recommender 5: nowhere/5 cannot be read")
