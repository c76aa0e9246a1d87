"""Backups and artifacts in HDFS and at an S3 server, reached by the URLs that a person gives."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from inference import releases
from inference.releases import store as artifacts
from inference.training import train
from infra.backup import chain, retention
from infra.backup.place import Place
from infra.backup.problems import BackupError, DamagedError
from infra.backup.restore import opened
from infra.backup.sealing import Key
from infra.backup.verify import verify
from schemas.serving import MODEL
from schemas.topics import STATE_JOINS
from tests.inference.logs import chains
from tests.infra.command import document
from tests.servers.backups import Region, write_states
from tests.servers.conftest import RunningKafka
from tests.servers.states import USERS, _read
from tests.servers.stores import hdfs, s3
from tests.streams.user_states import NOW_MS, state_of

STATES = {user: state_of([("click", n, NOW_MS + n)]) for n, user in enumerate(USERS)}
_numbers = itertools.count()
MIB = 1024 * 1024


@pytest.fixture(scope="module")
def stores(tools: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The URL of each, and the environment says what is needed to reach it."""
    with (
        hdfs.running(tmp_path_factory.mktemp("hdfs"), tools) as webhdfs,
        s3.running() as environment,
        pytest.MonkeyPatch.context() as patched,
    ):
        for name, value in environment.items():
            patched.setenv(name, value)
        yield {"s3": f"s3://{s3.BUCKET}", "webhdfs": webhdfs}


@pytest.fixture(params=["s3", "webhdfs"])
def url(request: pytest.FixtureRequest, stores: dict[str, str]) -> str:
    """Where nothing lies yet."""
    return f"{stores[request.param]}/backups-{next(_numbers)}"


@pytest.fixture
def region(fresh_kafka: RunningKafka, tmp_path: Path, url: str) -> Region:
    made = Region(fresh_kafka.bootstrap, tmp_path, key=Key(bytes(range(32))))
    made.place = Place(url)
    made.open()
    return made


def test_files_are_written_listed_read_in_pieces_and_removed(url: str) -> None:
    place = Place(url)
    assert place.folders() == []
    place.publish("a/one", b"1")
    place.publish("a/one", b"22")
    with place.create("b/large") as write:
        for number in range(12):
            write(bytes([number]) * MIB)
    with place.create("b/empty"):
        pass
    assert (place.folders(), place.read("a/one"), place.read("b/empty")) == (["a", "b"], b"22", b"")
    with place.open("b/large") as read:
        found = [read(5 * MIB), read(5 * MIB), read(5 * MIB)]
    assert b"".join(found) == b"".join(bytes([number]) * MIB for number in range(12))
    place.remove("a/one")
    with pytest.raises(FileNotFoundError):
        place.read("a/one")
    place.remove("b")
    place.remove("b")
    assert "b" not in place.folders()


def test_a_region_is_saved_verified_and_brought_back(region: Region) -> None:
    write_states(region.bootstrap, STATES)
    region.save()
    write_states(region.bootstrap, {"new-1": STATES[USERS[0]]})
    assert region.save().kind == "incremental"
    assert [link.users for link in verify(region.place, None, region.key)] == [len(STATES), 1]
    region.wipe()
    assert region.bring_back(wait_for_workers=False).states.sent == len(STATES) + 1
    joins = {message.key().decode() for message in _read(region.bootstrap, STATE_JOINS.name)}
    assert joins == STATES.keys() | {"new-1"}


def test_a_damaged_file_is_refused_and_old_backups_go(region: Region) -> None:
    write_states(region.bootstrap, STATES)
    made = region.save()
    name = f"{made.id}/{made.states[0].files[0].name}"
    content = region.place.read(name)
    with region.place.create(name) as write:
        write(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(DamagedError, match="offset"):
        opened(region.place, None, region.key)
    newer = region.save(full=True)
    assert retention.keep(region.place, "east", 1) == [made.id]
    assert [one.id for one in chain.found(region.place)] == [newer.id]


def test_the_command_takes_the_url(region: Region, url: str, tools: Path) -> None:
    write_states(region.bootstrap, STATES)
    given = {"TIDEMILL_KAFKA": region.bootstrap, "TIDEMILL_TOOLS": str(tools),
             "TIDEMILL_CLICKHOUSE": "127.0.0.1:1"}  # fmt: skip
    made = document(region.home.root, "backup", "create", url, **given)
    (listed,) = document(region.home.root, "backup", "list", url, **given)["backups"]
    assert (listed["id"], listed["users"]) == (made["id"], len(STATES))


def test_artifacts_are_put_there_and_fetched(url: str, tmp_path: Path) -> None:
    folder = releases.write(train(chains()), tmp_path / "releases", {})
    record = artifacts.put(folder, url)
    assert artifacts.put(folder, url) == record
    back = artifacts.fetch(record, folder.name, tmp_path / "elsewhere", MODEL)
    assert {path.name: path.read_bytes() for path in back.iterdir()} == {
        path.name: path.read_bytes() for path in folder.iterdir()
    }


def test_a_store_that_is_not_there_is_one_sentence() -> None:
    with (
        pytest.raises(BackupError, match=r"webhdfs://127\.0\.0\.1:1/x cannot be written"),
        Place("webhdfs://127.0.0.1:1/x").create("a/one") as write,
    ):
        write(b"1")
